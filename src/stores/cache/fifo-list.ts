/** What stands in a list: each knows its neighbours, so that it leaves without a search. */
export interface Listed<T> {
  before: T | undefined;
  behind: T | undefined;
}

/** A queue of which any member may leave at once. */
export class FifoList<T extends Listed<T>> {
  private first: T | undefined = undefined;
  private last: T | undefined = undefined;

  /** The one that has waited longest. */
  get oldest(): T | undefined {
    return this.first;
  }

  push(node: T): void {
    node.before = this.last;
    node.behind = undefined;
    if (this.last === undefined) this.first = node;
    else this.last.behind = node;
    this.last = node;
  }

  remove(node: T): void {
    if (node.before === undefined) this.first = node.behind;
    else node.before.behind = node.behind;
    if (node.behind === undefined) this.last = node.before;
    else node.behind.before = node.before;
    node.before = undefined;
    node.behind = undefined;
  }
}
