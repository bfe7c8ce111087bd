import { describe, expect, it } from 'vitest';
import { bodyFrom } from '../../src/core/body.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import { readOutcome } from '../../src/core/pipeline/read-outcome.ts';
import { ReadyReply, toResponse } from '../../src/core/reply.ts';

describe('a reply of our own code', () => {
  const made = () => new ReadyReply(200, HeaderList.from({ 'x-a': '1' }), bodyFrom('whole'));

  it('is taken as it is, without a copy', () => {
    const reply = made();
    expect(readOutcome(reply)).toBe(reply);
    const { head, body } = toResponse(reply);
    expect(head.headers).toBe(reply.headers);
    expect(body).toBe(reply.body);
    expect(head.length).toBe(5);
  });

  it('frames nothing, whatever was stored', () => {
    const headers = HeaderList.from({
      'Transfer-Encoding': 'chunked',
      'content-length': '3',
      Connection: 'close',
    });
    const { head } = toResponse(new ReadyReply(200, headers, bodyFrom('whole')));
    expect([...head.headers]).toEqual([]);
  });

  it('cannot be made by code that only has one to copy', () => {
    const alike = Object.create(made()) as object;
    const proxy = new Proxy({ status: 200 }, { getPrototypeOf: () => ReadyReply.prototype });
    for (const forged of [alike, { ...made() }, proxy]) {
      expect(ReadyReply.isOne(forged)).toBe(false);
      expect(readOutcome(forged)).not.toBe(forged);
    }
  });
});
