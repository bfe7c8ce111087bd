import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findOrMakeToken } from '../../src/admin/admin-token.ts';
import { startAdmin } from '../../src/admin/start-admin.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { MemoryLog } from './memory-log.ts';
import { StubControl } from './stub-control.ts';

let folder = '';
let dataDir = '';
let log = new MemoryLog();

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sallyport-admin-'));
  dataDir = path.join(folder, 'deep/data');
  log = new MemoryLog();
});

afterEach(() => rmSync(folder, { recursive: true }));

const file = () => path.join(dataDir, 'admin-token');
const modeOf = (name: string) => statSync(name).mode & 0o777;

function keep(token: string, mode = 0o600): void {
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(file(), token);
  chmodSync(file(), mode);
}

describe('the kept admin token', () => {
  it('is made once, of 256 bits, for its owner only, and used again', async () => {
    const token = await findOrMakeToken(dataDir, log);
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(modeOf(file())).toBe(0o600);
    expect(modeOf(dataDir)).toBe(0o700);
    expect(readFileSync(file(), 'utf8')).toBe(`${token}\n`);
    expect(readdirSync(dataDir)).toEqual(['admin-token']);
    expect(await findOrMakeToken(dataDir, log)).toBe(token);
    expect(log.lines).toEqual([expect.stringContaining(file())]);
    expect(log.lines.join()).not.toContain(token);
  });

  it('is the same for processes that start together', async () => {
    const tokens = await Promise.all(Array.from({ length: 8 }, () => findOrMakeToken(dataDir, log)));
    expect(new Set(tokens).size).toBe(1);
    expect(readdirSync(dataDir)).toEqual(['admin-token']);
  });

  it('is closed to others again, with a warning', async () => {
    const token = 'x'.repeat(43);
    keep(`${token}\n`, 0o640);
    expect(await findOrMakeToken(dataDir, log)).toBe(token);
    expect(modeOf(file())).toBe(0o600);
    expect(log.lines).toEqual([expect.stringMatching(/^warn/)]);
  });

  it.each(['', '\n', 'short'])('stops the start when it is %j', async (content) => {
    keep(content);
    await expect(findOrMakeToken(dataDir, log)).rejects.toThrow(/delete it/);
  });

  it('stops the start when it cannot be written, and says what to set', async () => {
    writeFileSync(path.join(folder, 'plain'), '');
    await expect(findOrMakeToken(path.join(folder, 'plain'), log)).rejects.toThrow(/dataDir/);
    await expect(findOrMakeToken(path.join(folder, 'plain/deep'), log)).rejects.toThrow(/dataDir/);
  });

  it('opens the admin port where none is configured', async () => {
    const server = await startAdmin({ host: LOOPBACK, port: 0, dataDir }, new StubControl(), log);
    const url = `http://${LOOPBACK}:${server.port}/api/status`;
    const headers = { authorization: `Bearer ${readFileSync(file(), 'utf8').trim()}` };
    const statuses = [(await fetch(url, { headers })).status, (await fetch(url)).status];
    await server.close();
    expect(statuses).toEqual([200, 401]);
  });
});
