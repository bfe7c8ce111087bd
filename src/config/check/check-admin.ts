import { asFields, type Fields, type Findings } from '../findings.ts';

const MIN_TOKEN_BYTES = 16;

/** Checks that the token of the admin port, which may do everything, cannot be guessed. */
export function checkAdmin(gateway: Fields, findings: Findings): void {
  const { token } = asFields(gateway.admin);
  if (typeof token !== 'string' || token === '' || Buffer.byteLength(token) >= MIN_TOKEN_BYTES) return;
  findings.warn(
    ['admin', 'token'],
    `is short enough to be guessed — use at least ${MIN_TOKEN_BYTES} random bytes, or leave it out to have one made`,
  );
}
