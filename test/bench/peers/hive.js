import { createServer } from 'node:http';
import { createGatewayRuntime } from '@graphql-hive/gateway-runtime';
import { unifiedGraphHandler } from '@graphql-hive/router-runtime';

// Hive's gateway with the planner that Laurel uses too, on Node's own HTTP server.

const [supergraphFile] = process.argv.slice(2);
const gateway = createGatewayRuntime({ supergraph: supergraphFile, unifiedGraphHandler, logging: false });
const server = createServer(gateway);
server.listen(0, '127.0.0.1', () => {
  process.send?.({ ready: `http://127.0.0.1:${server.address().port}/graphql` });
});
