import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codegen } from '@graphql-codegen/core';
import * as typedDocuments from '@graphql-codegen/typed-document-node';
import * as operations from '@graphql-codegen/typescript-operations';
import { parse } from 'graphql';

// What a frontend team sets up once: types for its operations, made by graphql-codegen from schema/api.graphql.

export const generatedFile = join(import.meta.dirname, 'generated/graph.ts');

/** The types and documents of `operations.graphql`, as TypeScript. */
export async function generated(): Promise<string> {
  const read = async (path: string) => parse(await readFile(join(import.meta.dirname, path), 'utf8'));
  const text = await codegen({
    filename: generatedFile,
    schema: await read('../../schema/api.graphql'),
    documents: [{ location: 'operations.graphql', document: await read('operations.graphql') }],
    plugins: [{ operations: {} }, { typedDocuments: {} }],
    pluginMap: { operations, typedDocuments },
    config: {
      useTypeImports: true,
      documentMode: 'string',
      enumsAsTypes: true,
      strictScalars: true,
      // How our scalars come as JSON.
      scalars: {
        BigInt: 'number | string',
        Date: 'string',
        DateTime: 'string',
        Decimal: 'string',
        EventCursor: 'string',
        JSON: 'unknown',
        TimeZone: 'string',
        URL: 'string',
      },
    },
  });
  return `${text.trimEnd()}\n`;
}
