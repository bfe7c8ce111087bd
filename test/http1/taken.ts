/** What a server made of one request, or a client of one answer. */
export interface TakenMessage {
  /** `GET /path 1.1` or `200 OK`. */
  readonly line: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  body: string;
  trailers: readonly (readonly [name: string, value: string])[];
  isComplete: boolean;
}

/** What became of a stream of bytes. */
export interface Outcome {
  readonly messages: readonly TakenMessage[];
  /** Whether it was refused, by an error answer or by closing the connection. */
  readonly isRejected: boolean;
}

/** TaskQueue names and values by turns into pairs. */
export function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) list.push([flat[i] as string, flat[i + 1] as string]);
  return list;
}
