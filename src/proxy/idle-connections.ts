import type { TargetConnection } from '../http1/target/target-connection.ts';

/** The idle connections of a pool, of which the one used last is on top. */
export class IdleConnections {
  size = 0;
  private top: TargetConnection | undefined = undefined;

  push(connection: TargetConnection): void {
    connection.below = this.top;
    if (this.top !== undefined) this.top.above = connection;
    this.top = connection;
    this.size++;
  }

  /** Takes the one on top. */
  pop(): TargetConnection | undefined {
    const { top } = this;
    if (top !== undefined) this.remove(top);
    return top;
  }

  /** Takes `connection` out, wherever it is. Nothing happens where it is not here. */
  remove(connection: TargetConnection): void {
    const { above, below } = connection;
    if (above === undefined && this.top !== connection) return;
    if (above === undefined) this.top = below;
    else above.below = below;
    if (below !== undefined) below.above = above;
    connection.above = undefined;
    connection.below = undefined;
    this.size--;
  }

  /** Takes all of them. */
  takeAll(): TargetConnection[] {
    const all: TargetConnection[] = [];
    for (let next = this.pop(); next !== undefined; next = this.pop()) all.push(next);
    return all;
  }
}
