import { isSchemaMap } from '../json-schema/schema-text.ts';
import type { Located, OpenApiDocument } from './open-api-document.ts';

/** What a document says of one media type of a body. */
export interface MediaSchema {
  /** As written: a type or a range of them. */
  readonly mediaType: string;
  /** Left out where any content is good. */
  readonly schema: Located | undefined;
  /** How parts of a form are written, by their name. */
  readonly encoding: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
}

/** Lists the media types of a `content` map, which stands within a body, a response or a parameter. */
export function mediaSchemasOf(document: OpenApiDocument, owner: Located): MediaSchema[] {
  const content = document.within(owner, 'content');
  if (!isSchemaMap(content.value)) return [];
  return Object.keys(content.value).flatMap((mediaType): MediaSchema[] => {
    const media = document.follow(document.within(content, mediaType));
    if (media === undefined || !isSchemaMap(media.value)) return [];
    const { schema, encoding } = media.value;
    const encodings = isSchemaMap(encoding)
      ? Object.entries(encoding).flatMap(([name, each]) => (isSchemaMap(each) ? [[name, each] as const] : []))
      : [];
    return [
      {
        mediaType,
        schema: schema === undefined ? undefined : document.within(media, 'schema'),
        encoding: new Map(encodings),
      },
    ];
  });
}
