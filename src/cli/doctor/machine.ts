import { readFileSync } from 'node:fs';
import type { GatewayConfig } from '../../config/schema/schema.ts';
import { readDescriptorLimit } from '../../core/network/descriptors.ts';
import { explainNodeFaults, FIRST_SOUND_NODE } from '../../node-version/known-faults.ts';
import type { Check, Findings } from './finding.ts';

/** What the machine says about itself, replaced by tests. */
export interface Machine {
  readonly nodeVersion: string;
  readonly descriptorLimit: number;
  readonly uid: number | undefined;
  /** Reads a setting of the kernel below `/proc/sys`; `undefined` where there is none. */
  sysctl(name: string): string | undefined;
}

export const thisMachine = (): Machine => ({
  nodeVersion: process.versions.node,
  descriptorLimit: readDescriptorLimit(),
  uid: process.getuid?.(),
  sysctl(name) {
    try {
      return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'latin1').trim();
    } catch {
      return undefined;
    }
  },
});

/** Looks at Node, descriptors, the kernel and the rights for low ports. */
export function machineChecks(machine: Machine, config: GatewayConfig | undefined): Check[] {
  return [
    { check: 'node', look: (findings) => lookAtNode(machine, findings) },
    { check: 'descriptors', look: (findings) => lookAtDescriptors(machine, config, findings) },
    { check: 'kernel', look: (findings) => lookAtKernel(machine, config, findings) },
  ];
}

function lookAtNode({ nodeVersion }: Machine, findings: Findings): void {
  const fault = explainNodeFaults(nodeVersion);
  if (fault === undefined) findings.ok(`Node ${nodeVersion} has no fault that is known to matter here`);
  else findings.warn(fault, `install Node ${FIRST_SOUND_NODE} or later`);
}

function lookAtDescriptors(
  { descriptorLimit }: Machine,
  config: GatewayConfig | undefined,
  findings: Findings,
): void {
  if (config === undefined) return findings.ok(`${descriptorLimit} files may be open`);
  const connections = config.listeners.reduce((sum, { limits }) => sum + limits.connections, 0);
  const needed = 2 * connections;
  const told = `limits.connections lets ${connections} clients in, and ${descriptorLimit} files may be open`;
  if (descriptorLimit >= needed) return findings.ok(told);
  findings.warn(
    told,
    `allow ${needed}, since targets need theirs too (ulimit -n, LimitNOFILE of systemd), or lower limits.connections`,
  );
}

const MIN_BACKLOG = 511;
const MIN_PORTS = 20_000;

function lookAtKernel(machine: Machine, config: GatewayConfig | undefined, findings: Findings): void {
  const before = findings.found.length;
  const backlog = Number(machine.sysctl('net.core.somaxconn') ?? Number.NaN);
  if (backlog < MIN_BACKLOG)
    findings.warn(
      `net.core.somaxconn is ${backlog}: new connections are rejected where many come at once`,
      'set net.core.somaxconn to 4096',
    );
  const [first = 0, last = 0] = (machine.sysctl('net.ipv4.ip_local_port_range') ?? '0 65535')
    .split(/\s+/)
    .map(Number);
  if (last - first < MIN_PORTS)
    findings.warn(
      `net.ipv4.ip_local_port_range has ${last - first + 1} ports for connections to targets`,
      'set net.ipv4.ip_local_port_range to "15000 65000"',
    );
  if (machine.sysctl('net.ipv4.tcp_tw_reuse') === '0')
    findings.warn(
      'net.ipv4.tcp_tw_reuse is 0: ports of ended connections to targets stay taken for a minute',
      'set net.ipv4.tcp_tw_reuse to 1',
    );
  lookAtLowPorts(machine, config, findings);
  if (findings.found.length === before) findings.ok('backlog, ports and their reuse are as they should be');
}

function lookAtLowPorts(machine: Machine, config: GatewayConfig | undefined, findings: Findings): void {
  const firstFree = Number(machine.sysctl('net.ipv4.ip_unprivileged_port_start') ?? 1024);
  const low = (config?.listeners ?? [])
    .map(({ port }) => port)
    .filter((port) => port > 0 && port < firstFree);
  if (low.length === 0 || machine.uid === 0) return;
  findings.warn(
    `ports below ${firstFree} (${low.join(', ')}) may need rights that this user lacks`,
    'give CAP_NET_BIND_SERVICE (AmbientCapabilities of systemd), or listen on a higher port',
  );
}
