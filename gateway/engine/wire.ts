import { type DocumentNode, type FieldNode, visit } from 'graphql';

// The names under which a client's fields travel. Mostly they are the client's own; but a planner adds keys and required
// fields to selections, and an alias must never be mistaken for one of those (`{ id: name }` beside the key `id`), nor be
// something to JavaScript (`__proto__`).

/** What of a supergraph can collide with a client's names. */
export interface Reserved {
  /** Every field name of every type. */
  readonly fieldNames: ReadonlySet<string>;
}

export class WireNames {
  private readonly aliases = new Map<string, string>();
  private readonly plain = new Map<string, string>();
  private readonly clients = new Map<string, string>();

  constructor(document: DocumentNode, { fieldNames }: Reserved) {
    const aliases = new Set<string>();
    const names = new Set<string>();
    visit(document, {
      Field({ alias, name }) {
        if (alias && alias.value !== name.value) aliases.add(alias.value);
        else names.add(name.value);
      },
    });
    const reserve = (name: string): string => {
      let wireName = `alias_${name}`;
      while (fieldNames.has(wireName) || aliases.has(wireName) || this.clients.has(wireName)) wireName += '_';
      this.clients.set(wireName, name);
      return wireName;
    };
    for (const alias of aliases) {
      if (fieldNames.has(alias) || alias.startsWith('_') || isInherited(alias))
        this.aliases.set(alias, reserve(alias));
    }
    for (const name of names) {
      if (isInherited(name)) this.plain.set(name, reserve(name));
    }
  }

  /** The key under which a field stands in the merged data. */
  of({ alias, name }: FieldNode): string {
    if (name.value === '__typename') return '__typename';
    if (!alias || alias.value === name.value) return this.plain.get(name.value) ?? name.value;
    return this.aliases.get(alias.value) ?? alias.value;
  }

  /** The client's name for a key of the merged data. */
  clientName(wireName: string): string {
    return this.clients.get(wireName) ?? wireName;
  }
}

function isInherited(name: string): boolean {
  return name in Object.prototype;
}
