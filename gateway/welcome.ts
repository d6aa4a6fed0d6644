import type { Demo } from '../subgraphs/index.ts';

/** What `laurel start` prints when it is ready: one screen that a newcomer can copy from. */
export function welcome(endpoint: string, demo: Demo | undefined, demoFile: string): string {
  const lines = [`Laurel is ready at ${endpoint}`, ''];
  if (demo === undefined) {
    lines.push(`  Open it in a browser for GraphiQL. \`npx laurel demo\` loads a demo community.`);
  } else {
    const query =
      '{ users(first: 3) { nodes { displayName xp level { number } badges(first: 1) { nodes { badge { title { text } } } } messages(first: 1) { nodes { body } } } } }';
    const subscription = 'subscription { xp { cursor ... on XpChanged { total user { displayName } } } }';
    const track =
      'mutation { trackEvent(input: { user: { email: \\"' +
      demo.userEmail +
      '\\" }, eventType: \\"purchase\\" }) { ledger { unit amount } userErrors { message } } }';
    lines.push(
      `  Open it in a browser for GraphiQL, with the header { "x-api-key": "${demo.systemKey}" }.`,
      '',
      '  A query over all four subgraphs:',
      '',
      curl(endpoint, demo.systemKey, query),
      '',
      '  A subscription, by server-sent events; it stays open:',
      '',
      curl(endpoint, demo.systemKey, subscription, `-N -H 'accept: text/event-stream' `),
      '',
      '  Something for it to tell of, in a second terminal:',
      '',
      curl(endpoint, demo.systemKey, track),
      '',
      `  Demo credentials (also in ${demoFile}):`,
      `    system key       x-api-key: ${demo.systemKey}`,
      `    integration key  authorization: Bearer ${demo.integrationKey}`,
      `    personal key     authorization: Bearer ${demo.personalKey}  (${demo.userEmail})`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function curl(endpoint: string, key: string, query: string, options = ''): string {
  return `    curl -s ${options}${endpoint} -H 'content-type: application/json' -H 'x-api-key: ${key}' -d '{"query":"${query}"}'`;
}
