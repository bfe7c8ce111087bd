import { X509Certificate } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type PeerCertificate } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { watchCertificates } from '../../src/server/certificate-watch.ts';
import {
  CertificateError,
  type CertificateFiles,
  type CertificateStore,
  hostNamesOf,
  loadCertificates,
} from '../../src/server/certificates.ts';
import { makeCertificates } from '../support/certificates.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { startTouching } from '../support/touching.ts';

const authority = await makeCertificates();
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

function load(...files: CertificateFiles[]): Promise<CertificateStore> {
  return loadCertificates(files, { minVersion: '1.2', now: Date.now() });
}

async function problemsOf(...files: CertificateFiles[]): Promise<string> {
  const error = await load(...files).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CertificateError);
  return (error as CertificateError).problems.join('\n');
}

/** The common name of the certificate that a client is shown which asks for `serverName`. */
async function shownTo(store: CertificateStore, serverName: string): Promise<string> {
  const server = createServer({
    ...store.defaultOptions,
    SNICallback: (_name, done) => done(null, store.contextFor(serverName)),
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  const { port } = server.address() as { port: number };
  const socket = connect({ port, host: LOOPBACK, servername: 'any.test', rejectUnauthorized: false });
  const certificate = await new Promise<PeerCertificate>((resolve, reject) => {
    socket.once('secureConnect', () => resolve(socket.getPeerCertificate())).once('error', reject);
  });
  socket.destroy();
  server.close();
  return String(certificate.subject.CN);
}

describe('loadCertificates', () => {
  it('chooses the exact name, then the wildcard for one label, then the first certificate', async () => {
    const first = await authority.issue({ names: ['first.test'] });
    const wildcard = await authority.issue({ names: ['*.shop.test'] });
    const exact = await authority.issue({ names: ['api.shop.test', 'other.test'] });
    const store = await load(first, wildcard, exact);
    expect(await shownTo(store, 'API.shop.test.')).toBe('api.shop.test');
    expect(await shownTo(store, 'other.test')).toBe('api.shop.test');
    expect(await shownTo(store, 'www.shop.test')).toBe('*.shop.test');
    for (const name of ['a.b.shop.test', 'shop.test', 'nobody.test', ''])
      expect(store.contextFor(name)).toBe(store.contextFor('first.test'));
    expect(store.contextFor(undefined)).toBe(store.contextFor('first.test'));
  });

  it('does not take a wildcard for a name of one label', async () => {
    const first = await authority.issue({ names: ['first.test'] });
    const store = await load(first, await authority.issue({ names: ['*.localhost'] }));
    expect(store.contextFor('localhost')).toBe(store.contextFor('first.test'));
    expect(store.contextFor('a.localhost')).not.toBe(store.contextFor('first.test'));
  });

  it('reads names from the alternatives, and from the common name only where there are none', async () => {
    const both = await authority.issue({
      commonName: 'cn.test',
      names: ['san.test', '*.San.test', '127.0.0.1'],
    });
    const old = await authority.issue({ commonName: 'Old.test', withoutNames: true });
    expect(hostNamesOf(new X509Certificate(both.cert))).toEqual(['san.test', '*.san.test']);
    expect(hostNamesOf(new X509Certificate(old.cert))).toEqual(['old.test']);
  });

  it('names every file that does not exist', async () => {
    const problems = await problemsOf({ certFile: join(folder, 'no.pem'), keyFile: join(folder, 'no.key') });
    expect(problems).toContain(`${join(folder, 'no.pem')}: does not exist — check the path`);
    expect(problems).toContain(`${join(folder, 'no.key')}: does not exist — check the path`);
  });

  it('refuses a key that belongs to another certificate', async () => {
    const one = await authority.issue({ names: ['one.test'] });
    const two = await authority.issue({ names: ['two.test'] });
    expect(await problemsOf({ certFile: one.certFile, keyFile: two.keyFile })).toContain(
      `${two.keyFile}: is not the key of the first certificate in ${one.certFile}`,
    );
  });

  it('refuses files that hold something else, a broken chain, and an encrypted key, all at once', async () => {
    const good = await authority.issue();
    const junk = join(folder, 'junk.pem');
    const chain = join(folder, 'chain.pem');
    const locked = join(folder, 'locked.key');
    await writeFile(junk, 'hello');
    await writeFile(chain, `${good.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`);
    await writeFile(
      locked,
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
    );
    const problems = await problemsOf(
      { certFile: junk, keyFile: junk },
      { certFile: chain, keyFile: good.keyFile },
      { certFile: good.certFile, keyFile: locked },
    );
    expect(problems).toContain(`${junk}: holds no readable certificate`);
    expect(problems).toContain(`${junk}: holds no readable private key`);
    expect(problems).toContain(`${chain}: holds no readable certificate`);
    expect(problems).toContain(`${locked}: is encrypted — take the passphrase off`);
    expect(problems).not.toContain(good.key);
  });

  it('warns of a certificate that has ended or not begun, and still takes it', async () => {
    const ended = await authority.issue({ expired: true });
    expect((await load(ended)).warnings).toEqual([expect.stringContaining(`${ended.certFile}: ended on `)]);
    const good = await authority.issue();
    expect((await load(good)).warnings).toEqual([]);
    const early = await loadCertificates([good], { minVersion: '1.2', now: 0 });
    expect(early.warnings).toEqual([expect.stringContaining(`${good.certFile}: begins only on `)]);
  });

  it('changes its content key when a file changes', async () => {
    const one = await authority.issue();
    const two = await authority.issue({ fresh: true });
    expect((await load(one)).contentKey).toBe((await load({ ...one })).contentKey);
    expect((await load(one)).contentKey).not.toBe((await load(two)).contentKey);
  });
});

/** A clock whose tasks run when the test says so, and which tells when one was asked for. */
function handClock(): Clock & {
  scheduled(): Promise<void>;
  runDue(): void;
  tick(): void;
  readonly due: ReadonlySet<() => void>;
} {
  const due = new Set<() => void>();
  const repeated = new Set<() => void>();
  let onScheduled: (() => void) | undefined;
  return {
    due,
    now: () => Date.now(),
    monotonic: () => 0,
    every(_intervalMs, task) {
      repeated.add(task);
      return () => repeated.delete(task);
    },
    after(_delayMs, task) {
      due.add(task);
      onScheduled?.();
      return () => due.delete(task);
    },
    scheduled: () => (due.size > 0 ? Promise.resolve() : new Promise((resolve) => (onScheduled = resolve))),
    runDue() {
      for (const task of [...due]) {
        due.delete(task);
        task();
      }
    },
    tick() {
      for (const task of repeated) task();
    },
  };
}

interface Watched {
  readonly clock: ReturnType<typeof handClock>;
  readonly stop: () => void;
  /** The next thing that the watch does: a new store, or the line it logs. */
  next(): Promise<CertificateStore | string>;
  readonly seen: (CertificateStore | string)[];
}

function startWatch(store: CertificateStore): Watched {
  const clock = handClock();
  const seen: (CertificateStore | string)[] = [];
  let taken = 0;
  let wake: () => void = () => {};
  const note = (event: CertificateStore | string): void => {
    seen.push(event);
    wake();
  };
  const quiet = () => {};
  const log = {
    debug: (_fields: object, message: string) => note(`debug: ${message}`),
    info: quiet,
    error: quiet,
    warn: (fields: object) => note((fields as { problems: string[] }).problems.join('\n')),
  };
  const stop = watchCertificates(store, note, { clock, log });
  return {
    clock,
    stop,
    seen,
    async next() {
      while (seen.length === taken) await new Promise<void>((resolve) => (wake = resolve));
      return seen[taken++] as CertificateStore | string;
    },
  };
}

describe('watchCertificates', () => {
  let watched: Watched | undefined;
  afterEach(() => watched?.stop());

  async function install(certificate: CertificateFiles, into = folder): Promise<CertificateFiles> {
    const files = { certFile: join(into, 'tls.crt'), keyFile: join(into, 'tls.key') };
    await copyFile(certificate.certFile, files.certFile);
    await copyFile(certificate.keyFile, files.keyFile);
    return files;
  }

  it('picks up files that were written over', async () => {
    const files = await install(await authority.issue({ names: ['old.test'] }));
    watched = startWatch(await load(files));
    await install(await authority.issue({ names: ['new.test'] }));
    await watched.clock.scheduled();
    watched.clock.runDue();
    expect(await shownTo((await watched.next()) as CertificateStore, 'new.test')).toBe('new.test');
  });

  it('does not put the look off when other files of the folder change', async () => {
    const files = await install(await authority.issue({ names: ['old.test'] }));
    watched = startWatch(await load(files));
    const touch = startTouching(folder);
    onTestFinished(touch.stop);
    await install(await authority.issue({ names: ['new.test'] }));
    await touch.another();
    const planned = [...watched.clock.due];
    await touch.another();
    expect([...watched.clock.due]).toEqual(planned);
    watched.clock.runDue();
    expect(await shownTo((await watched.next()) as CertificateStore, 'new.test')).toBe('new.test');
  });

  it('picks up the swap of the ..data link with which Kubernetes replaces a secret', async () => {
    for (const [version, name] of [
      ['v1', 'old.test'],
      ['v2', 'new.test'],
    ] as const) {
      await mkdir(join(folder, version));
      await install(await authority.issue({ names: [name] }), join(folder, version));
    }
    await symlink('v1', join(folder, '..data'));
    const files = { certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') };
    await symlink('..data/tls.crt', files.certFile);
    await symlink('..data/tls.key', files.keyFile);
    watched = startWatch(await load(files));
    // Where links lead is found out behind the start, so it looks once more then.
    expect(await watched.next()).toBe('debug: certificates are unchanged');
    await symlink('v2', join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    await watched.clock.scheduled();
    watched.clock.runDue();
    expect(await shownTo((await watched.next()) as CertificateStore, 'new.test')).toBe('new.test');
  });

  it('keeps the former pair while only the certificate was replaced, says so once, and takes the whole pair', async () => {
    const files = await install(await authority.issue({ names: ['old.test'] }));
    const replacement = await authority.issue({ names: ['new.test'] });
    watched = startWatch(await load(files));
    await copyFile(replacement.certFile, files.certFile);
    watched.clock.tick();
    expect(await watched.next()).toContain('is not the key of the first certificate');
    watched.clock.tick();
    expect(await watched.next()).toMatch(/^debug: .*not usable/);
    await copyFile(replacement.keyFile, files.keyFile);
    watched.clock.tick();
    expect(await shownTo((await watched.next()) as CertificateStore, 'new.test')).toBe('new.test');
  });

  it('keeps the former pair when a file is gone or broken', async () => {
    const files = await install(await authority.issue());
    watched = startWatch(await load(files));
    await rm(files.keyFile);
    watched.clock.tick();
    expect(await watched.next()).toContain(`${files.keyFile}: does not exist`);
    await writeFile(files.keyFile, 'half of a k');
    watched.clock.tick();
    expect(await watched.next()).toContain(`${files.keyFile}: holds no readable private key`);
  });

  it('says nothing when files were touched but hold the same', async () => {
    const old = await authority.issue({ names: ['old.test'] });
    const files = await install(old);
    watched = startWatch(await load(files));
    await install(old);
    watched.clock.tick();
    expect(await watched.next()).toBe('debug: certificates are unchanged');
  });

  it('does nothing after it was stopped', async () => {
    const files = await install(await authority.issue({ names: ['old.test'] }));
    const stopped = startWatch(await load(files));
    watched = startWatch(await load(files));
    await install(await authority.issue({ names: ['new.test'] }));
    stopped.clock.tick();
    stopped.stop();
    watched.clock.tick();
    await watched.next();
    expect(stopped.seen).toEqual([]);
  });

  it('goes on by the minute where a folder cannot be watched', async () => {
    const files = await install(await authority.issue({ names: ['old.test'] }));
    const store = await load(files);
    const elsewhere = { ...store, files: [{ certFile: join(folder, 'no/tls.crt'), keyFile: files.keyFile }] };
    const warnings: string[] = [];
    const log = {
      debug() {},
      info() {},
      error() {},
      warn: (_: object, text: string) => void warnings.push(text),
    };
    const stop = watchCertificates(elsewhere, () => {}, { clock: handClock(), log });
    stop();
    expect(warnings).toEqual(['cannot watch the folder of certificates; it is read every minute']);
  });
});
