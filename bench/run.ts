/**
 * Compares sallyport with its peers: `node bench/run.ts --only json,off --peers nginx,sallyport --rounds 5 --duration 5`.
 * `--write` puts each table into bench/results/ as well.
 */
import { parseArgs } from 'node:util';
import { ensureCommands, ensureFiles } from '../scripts/ensure-packages.ts';
import { startBackend } from './backend.ts';
import { measureIdle } from './idle.ts';
import { measureScenario } from './measure.ts';
import type { Peer } from './peer.ts';
import { installNpmPeers, peersNamed } from './peers.ts';
import { publish, reportScenario } from './report.ts';
import { SCENARIOS } from './scenarios.ts';
import { makeCertificate, makeWorkplace } from './workplace.ts';

const IDLE = 'idle';
const IDLE_PEERS = ['nginx', 'haproxy', 'sallyport', 'caddy', 'fastify-http-proxy'];

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: [...SCENARIOS.map(({ name }) => name), IDLE].join(',') },
    peers: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    duration: { type: 'string', default: '5' },
    write: { type: 'boolean', default: false },
  },
});

const chosen = options.peers && peersNamed(options.peers.split(','));

function choosePeers(names: readonly string[]): Peer[] {
  const peers = peersNamed(names);
  return chosen ? peers.filter((peer) => chosen.includes(peer)) : peers;
}

const wanted = options.only.split(',');
const unknown = wanted.filter(
  (name) => name !== IDLE && !SCENARIOS.some((scenario) => scenario.name === name),
);
if (unknown.length > 0) throw new Error(`no such scenario: ${unknown.join(', ')}`);

const everyPeer = choosePeers(SCENARIOS.flatMap(({ peers }) => peers));
ensureCommands(['taskset', 'wrk', 'nginx', 'openssl', ...everyPeer.flatMap(({ commands }) => commands)]);
ensureFiles(Object.assign({}, ...everyPeer.map(({ files }) => files)));
if (everyPeer.some(({ isNpmPackage }) => isNpmPackage)) installNpmPeers();

const workplace = makeWorkplace();
const run = {
  workplace,
  backendPort: await startBackend(workplace),
  certificate: makeCertificate(workplace),
  rounds: Number(options.rounds),
  seconds: Number(options.duration),
};
for (const scenario of SCENARIOS.filter(({ name }) => wanted.includes(name))) {
  const rows = await measureScenario(scenario, choosePeers(scenario.peers), run);
  publish(scenario.name, reportScenario(scenario, rows, run.seconds), options.write);
}
if (wanted.includes(IDLE)) publish(IDLE, await measureIdle(choosePeers(IDLE_PEERS), run), options.write);
process.exit();
