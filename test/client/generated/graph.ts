/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** The system that something comes from. */
export type EventSource =
  /** GamifyHost. */
  | 'GAMIFYHOST'
  /** Laurel itself, or whoever says no other. */
  | 'LAUREL'
  /** Lynes Loyalty. */
  | 'LYNES'
  /** Returning.AI. */
  | 'RETURNING';

/** An id that another system gave. */
export type ExternalIdInput = {
  /** The system. */
  system: ExternalSystem;
  /** The id as that system writes it, 1-200 characters. */
  value: string;
};

/** A system whose ids stored elsewhere keep working here. */
export type ExternalSystem =
  /** GamifyHost. */
  | 'GAMIFYHOST'
  /** Lynes Loyalty. */
  | 'LYNES'
  /** Returning.AI. */
  | 'RETURNING';

/** Why events are missing from a stream. */
export type GapReason =
  /** The cursor is older than what is kept, or than the secret that seals cursors. */
  | 'RETENTION_EXCEEDED'
  /** The client took events more slowly than they came. */
  | 'SLOW_CONSUMER';

/** Something that happened and may earn. */
export type TrackEventInput = {
  /** How many, zero or more, for rules that look at it; one when absent. */
  amount?: string | null | undefined;
  /** What, as a rule of the community names it, 1-100 characters: `purchase`. */
  eventType: string;
  /** A JSON object to keep with the entries, at most 8,192 characters. */
  metadata?: unknown;
  /** When; now when absent. At most 5 minutes ahead of Laurel's clock. */
  occurredAt?: string | null | undefined;
  /** What a repeat is recognised by, 1-200 characters, unique per event type. A repeat gives the first answer. */
  reference?: string | null | undefined;
  /** The system it comes from. */
  source?: EventSource;
  /** To whom. Where `Community.eventsAddMembers` is set, an e-mail address, user name or external id of nobody makes them a member. */
  user: UserIdentifierInput;
};

/** What is counted. */
export type Unit =
  /** Coins of the community, its in-game currency. */
  | 'COINS'
  /** Points of GamifyHost and Lynes. */
  | 'POINTS'
  /** The premium currency. */
  | 'PREMIUM'
  /** Experience; it makes levels. */
  | 'XP';

/** Names one person, in exactly one way. */
export type UserIdentifierInput =
  {   /** The e-mail address; upper and lower case are the same. */
  email: string; external?: never; id?: never; username?: never; }
  |  { email?: never;   /** The id in another system. */
  external: ExternalIdInput; id?: never; username?: never; }
  |  { email?: never; external?: never;   /** The id here: `usr_…`. */
  id: string | number; username?: never; }
  |  { email?: never; external?: never; id?: never;   /** The user name; upper and lower case are the same. */
  username: string; };

export type StandingQueryVariables = Exact<{
  email: string;
}>;


export type StandingQuery = { user: { id: string, displayName: string, xp: number | string | null, level: { number: number, nextAt: number | string | null } | null, fields: { nodes: Array<
        | { __typename: 'BooleanFieldValue' }
        | { __typename: 'DateFieldValue' }
        | { __typename: 'NumberFieldValue', number: string | null }
        | { __typename: 'SelectFieldValue' }
        | { __typename: 'TextFieldValue' }
      > }, badges: { nodes: Array<{ badge: { title: { text: string } } | null }> } | null } | null };

export type EarnMutationVariables = Exact<{
  input: TrackEventInput;
}>;


export type EarnMutation = { trackEvent: { ledger: Array<{ unit: Unit, amount: number | string }>, userErrors: Array<{ code: string, message: string }> } };

export type XpOfSubscriptionVariables = Exact<{
  userIds?: Array<string | number> | string | number | null | undefined;
  after?: string | null | undefined;
}>;


export type XpOfSubscription = { xp:
    | { __typename: 'BadgeAwarded', cursor: string }
    | { __typename: 'LeaderboardChanged', cursor: string }
    | { __typename: 'LevelChanged', cursor: string }
    | { __typename: 'MessageDeleted', cursor: string }
    | { __typename: 'MessageEdited', cursor: string }
    | { __typename: 'MessagePinned', cursor: string }
    | { __typename: 'MessagePosted', cursor: string }
    | { __typename: 'MessageReacted', cursor: string }
    | { __typename: 'StreamEnding', cursor: string }
    | { __typename: 'StreamGap', reason: GapReason, cursor: string }
    | { __typename: 'StreamReady', cursor: string }
    | { __typename: 'StreamResumed', cursor: string }
    | { __typename: 'XpChanged', total: number | string, cursor: string, user: { displayName: string }, entry: { amount: number | string, eventType: string } | null }
    | { __typename: 'XpSnapshot', cursor: string }
   };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}

export const StandingDocument = new TypedDocumentString(`
    query Standing($email: String!) {
  user(by: {email: $email}) {
    id
    displayName
    xp
    level {
      number
      nextAt
    }
    fields(keys: ["deposits"]) {
      nodes {
        __typename
        ... on NumberFieldValue {
          number
        }
      }
    }
    badges(first: 3) {
      nodes {
        badge {
          title {
            text
          }
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<StandingQuery, StandingQueryVariables>;
export const EarnDocument = new TypedDocumentString(`
    mutation Earn($input: TrackEventInput!) {
  trackEvent(input: $input) {
    ledger {
      unit
      amount
    }
    userErrors {
      code
      message
    }
  }
}
    `) as unknown as TypedDocumentString<EarnMutation, EarnMutationVariables>;
export const XpOfDocument = new TypedDocumentString(`
    subscription XpOf($userIds: [ID!], $after: EventCursor) {
  xp(userIds: $userIds, after: $after) {
    __typename
    cursor
    ... on XpChanged {
      total
      user {
        displayName
      }
      entry {
        amount
        eventType
      }
    }
    ... on StreamGap {
      reason
    }
  }
}
    `) as unknown as TypedDocumentString<XpOfSubscription, XpOfSubscriptionVariables>;
