/** Says why jobs in this Redis could be lost, and what to do, from what it answers to `INFO`; `undefined` where they could not. */
export function findDurabilityProblem(info: string): string | undefined {
  const read = (name: string): string | undefined =>
    new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim();
  const policy = read('maxmemory_policy');
  if (policy === undefined || read('aof_enabled') === undefined)
    return 'does not say in INFO whether it keeps what it stores — let this user send INFO';
  if (policy !== 'noeviction' && read('maxmemory') !== '0')
    return `evicts what it stores when its memory is full (maxmemory-policy ${policy}), accepted requests among it — set maxmemory-policy noeviction`;
  if (read('aof_enabled') !== '1')
    return 'forgets what it stores when it ends (appendonly no), accepted requests among it — set appendonly yes';
  return undefined;
}
