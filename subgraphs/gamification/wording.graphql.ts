import { Field, InputType } from 'type-graphql';
import { z } from 'zod';
import { Url } from '../scalars.ts';
import { isOnceALang, langDescription, langIn, langRules, webUrl } from '../shared.graphql.ts';

// Pictures by language, as texts are by language.

@InputType({ description: 'A picture for one language.' })
export class LocalizedImageInput {
  @Field(() => String, { description: langDescription })
  lang!: string;

  @Field(() => Url, { description: 'Where the picture is, `https:` or `http:`, at most 2,000 characters.' })
  url!: string;
}

/** The bounds of pictures. */
export const imageRules = z
  .array(z.object({ lang: langRules, url: webUrl }))
  .min(1, 'Give 1-20 pictures, one a language.')
  .max(20, 'Give 1-20 pictures, one a language.')
  .refine(isOnceALang, 'Give 1-20 pictures, one a language.')
  .nullish();

/** Pictures as a jsonb column holds them: `{ "en": "https://…" }`. */
export function imagesOf(images: readonly LocalizedImageInput[] | null): Record<string, string> | null {
  return images === null ? null : Object.fromEntries(images.map(({ lang, url }) => [lang, String(url)]));
}

/** The picture for a language, chosen as texts are. */
export function imageIn(images: Record<string, string> | null, lang: string): string | null {
  return images === null ? null : (images[langIn(Object.keys(images).sort(), lang)] ?? null);
}
