import { Field, InputType } from 'type-graphql';
import { z } from 'zod';
import { Url } from '../scalars.ts';
import { langIn, webUrl } from '../shared.graphql.ts';

// Pictures by language, as texts are by language.

@InputType({ description: 'A picture for one language.' })
export class LocalizedImageInput {
  @Field(() => String, { description: 'The language, BCP 47, at most 35 characters: `en`, `pt-BR`.' })
  lang!: string;

  @Field(() => Url, { description: 'Where the picture is, `https:` or `http:`, at most 2,000 characters.' })
  url!: string;
}

/** The bounds of pictures. */
export const imageRules = z
  .array(z.object({ lang: z.string().min(2).max(35), url: webUrl }))
  .min(1, 'Give 1-20 pictures, one a language.')
  .max(20, 'Give 1-20 pictures, one a language.')
  .nullish();

/** Pictures as a jsonb column holds them: `{ "en": "https://…" }`. */
export function imagesOf(images: readonly LocalizedImageInput[] | null): Record<string, string> | null {
  return images === null ? null : Object.fromEntries(images.map(({ lang, url }) => [lang, String(url)]));
}

/** The picture for a language, chosen as texts are. */
export function imageIn(images: Record<string, string> | null, lang: string): string | null {
  return images === null ? null : (images[langIn(Object.keys(images).sort(), lang)] ?? null);
}
