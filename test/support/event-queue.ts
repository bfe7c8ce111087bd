/** Holds what happened until a test asks for it, in order. */
export class EventQueue<T> {
  private readonly happened: T[] = [];
  private waiting: ((event: T) => void)[] = [];

  push(event: T): void {
    const waiter = this.waiting.shift();
    if (waiter === undefined) this.happened.push(event);
    else waiter(event);
  }

  /** Takes the next event, waiting for it if need be. */
  next(): Promise<T> {
    if (this.happened.length > 0) return Promise.resolve(this.happened.shift() as T);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Takes events until one meets the condition, and returns that one. */
  async nextWhere(isWanted: (event: T) => boolean): Promise<T> {
    for (let event = await this.next(); ; event = await this.next()) if (isWanted(event)) return event;
  }

  /** What nobody has taken yet. */
  get pending(): readonly T[] {
    return this.happened;
  }
}
