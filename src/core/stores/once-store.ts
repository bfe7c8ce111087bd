/** Whether a name is met for the first time: yes; no; or nobody can say, since there are too many. */
export type OnceVerdict = 'new' | 'seen' | 'full';

/** What holds while the place where names are kept is away: nobody passes, or each gateway remembers by itself. */
export type OnceWhileAway = 'closed' | 'local';

/** Remembers names, so that what goes by one is good once, in all processes that share this. */
export interface OnceStore {
  /**
   * Notes a name for so many milliseconds. At once where names are kept here. Rejects where they are kept elsewhere,
   * cannot be reached, and `whileAway` is `closed`.
   */
  note(name: string, keepForMs: number, whileAway: OnceWhileAway): OnceVerdict | Promise<OnceVerdict>;
}
