import type { TargetConnection } from '../http1/target/target-connection.ts';

/** Open connections that not every request may have now, and that make way for others where room is wanted. */
export class SpareConnections {
  /** Silent after a response that may have a tail, or logged in by one client, oldest first. */
  private readonly all = new Set<TargetConnection>();
  private readonly reserved = new Map<object, TargetConnection>();

  /** Keeps one until it has been silent for some time. */
  add(connection: TargetConnection): void {
    this.all.add(connection);
  }

  /** Keeps one for the client that is logged in on it, who has one at most. */
  reserve(connection: TargetConnection, login: object): void {
    this.reserved.get(login)?.close();
    this.reserved.set(login, connection);
    connection.login = login;
    this.all.add(connection);
  }

  /** Takes the connection that this client is logged in on, unless that has ended meanwhile. */
  take(login: object | undefined): TargetConnection | undefined {
    if (login === undefined || this.reserved.size === 0) return undefined;
    const connection = this.reserved.get(login);
    if (connection === undefined) return undefined;
    this.delete(connection);
    if (connection.isUsable) return connection;
    connection.close();
    return undefined;
  }

  /** Takes the one that has been here longest. */
  takeOldest(): TargetConnection | undefined {
    const [oldest] = this.all;
    if (oldest !== undefined) this.delete(oldest);
    return oldest;
  }

  delete(connection: TargetConnection): void {
    this.all.delete(connection);
    const { login } = connection;
    if (login === undefined) return;
    connection.login = undefined;
    if (this.reserved.get(login) === connection) this.reserved.delete(login);
  }

  [Symbol.iterator](): SetIterator<TargetConnection> {
    return this.all[Symbol.iterator]();
  }
}
