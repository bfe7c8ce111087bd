/** Whether a key of the configuration names a secret, so that its value is never shown. */
export function isSecretKey(key: string): boolean {
  return /^(token|secret|password|pepper|.*(Token|Secret|Password))$/.test(key);
}
