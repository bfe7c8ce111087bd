import { createHash, randomBytes } from 'node:crypto';

/** Below which the gateway tells how requests stand that run later. */
export const JOBS_PATH = '/.sallyport/jobs/';

const HASH_CHARS = 8;
const ID = /^[\w-]{30}$/;

/** The beginning of the ids of all jobs of a route, by which it is found. */
export function routeHash(route: string): string {
  return createHash('sha256').update(route).digest('base64url').slice(0, HASH_CHARS);
}

/** Makes an id that nobody can guess: 132 bits at random. */
export function newJobId(route: string): string {
  return routeHash(route) + randomBytes(17).toString('base64url').slice(0, 22);
}

/** Finds the id of a job in a path, and the hash of its route. */
export function readJobPath(path: string): { readonly id: string; readonly route: string } | undefined {
  const id = path.slice(JOBS_PATH.length);
  return ID.test(id) ? { id, route: id.slice(0, HASH_CHARS) } : undefined;
}
