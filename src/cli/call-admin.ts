import type { AdminAccess } from '../config/operator-address.ts';

/** Longer than the gateway itself waits for anybody. */
const TIMEOUT_MS = 10_000;

/** Asks the admin API of a gateway that runs. Rejects with an `Error` that says what it refuses, or why it cannot be asked. */
export async function callAdmin(
  { address, token }: AdminAccess,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<unknown> {
  const url = `http://${address}${path}`;
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((error: Error & { cause?: { code?: string } }) => {
    const isOverdue = error.name === 'TimeoutError';
    const why = isOverdue
      ? `no response within ${TIMEOUT_MS / 1000} s`
      : (error.cause?.code ?? error.message);
    throw new Error(`${url} cannot be reached: ${why}. Does the gateway run?`);
  });
  const answer: unknown = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Error(explain(url, response.status, answer as Problem));
}

interface Problem {
  readonly detail?: string;
  readonly problems?: readonly string[];
  readonly unreached?: readonly string[];
}

function explain(url: string, status: number, { detail, problems = [], unreached = [] }: Problem): string {
  return [
    `${url} answered ${status}${detail === undefined ? '' : `: ${detail}`}`,
    ...problems,
    ...unreached,
  ].join('\n');
}
