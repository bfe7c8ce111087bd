/** Gives each node of a graph the number of its strongly connected component (Tarjan), without recursion. */
export function strongComponents(count: number, nextOf: (node: number) => Iterable<number>): number[] {
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const stack: number[] = [];
  const onStack = new Set<number>();
  const componentOf: number[] = [];
  let components = 0;
  const work: { node: number; targets: number[] }[] = [];
  const enter = (node: number): void => {
    index.set(node, index.size);
    low.set(node, index.size - 1);
    stack.push(node);
    onStack.add(node);
    work.push({ node, targets: [...nextOf(node)] });
  };
  const lower = (node: number, to: number): void => void low.set(node, Math.min(low.get(node) as number, to));
  for (let root = 0; root < count; root++) {
    if (index.has(root)) continue;
    enter(root);
    for (let top = work.at(-1); top !== undefined; top = work.at(-1)) {
      const { node, targets } = top;
      const target = targets.pop();
      if (target !== undefined) {
        if (!index.has(target)) enter(target);
        else if (onStack.has(target)) lower(node, index.get(target) as number);
        continue;
      }
      work.pop();
      const parent = work.at(-1);
      if (parent !== undefined) lower(parent.node, low.get(node) as number);
      if (low.get(node) !== index.get(node)) continue;
      for (const member of stack.splice(stack.lastIndexOf(node))) {
        onStack.delete(member);
        componentOf[member] = components;
      }
      components++;
    }
  }
  return componentOf;
}
