/** Which roles hold the rights of which others, as written: from a role to those that it holds as well. */
export type RoleInheritance = Readonly<Record<string, readonly string[]>>;

/** Finds a role that would inherit from itself, or nothing. */
export function findInheritanceCycle(inherits: RoleInheritance): string | undefined {
  return Object.keys(inherits).find((role) => inheritedBy(inherits[role] ?? [], inherits).has(role));
}

/** Finds every role that counts as one of `roles`: these, and those that inherit from them. */
export function rolesThatCount(roles: readonly string[], inherits: RoleInheritance): ReadonlySet<string> {
  const counting = new Set(roles);
  for (const heir of Object.keys(inherits)) {
    const held = inheritedBy([heir], inherits);
    if (roles.some((role) => held.has(role))) counting.add(heir);
  }
  return counting;
}

function inheritedBy(roles: readonly string[], inherits: RoleInheritance): Set<string> {
  const held = new Set(roles);
  for (const role of held) {
    if (!Object.hasOwn(inherits, role)) continue;
    for (const inherited of inherits[role] ?? []) held.add(inherited);
  }
  return held;
}
