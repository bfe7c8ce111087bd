import type { Clock } from '../../core/clock.ts';
import { Backoff } from './backoff.ts';
import { type ClusterAccess, type PodEnvironment, podEnvironment, readPodAccess } from './cluster-access.ts';
import type { DiscoveryServices } from './discovery.ts';
import { chooseEndpoints, type EndpointChoice, type EndpointSlice } from './endpoint-slice.ts';
import { type GetCall, type GetHead, get, getWhole } from './http-get.ts';
import { readJsonLines } from './json-lines.ts';
import { readKubeconfig } from './kubeconfig.ts';
import { pause } from './pause.ts';
import type { TargetReport, TargetSource } from './target-source.ts';

export interface KubernetesSettings extends Omit<EndpointChoice, 'name'> {
  readonly namespace: string;
  readonly service: string;
  /** File to take the access from, instead of the pod's service account. */
  readonly kubeconfig?: string | undefined;
}

/** How long the API server is asked to keep a watch, and up to as much again at random, so that not all end at once. */
const WATCH_SECONDS = 240;
/** A watch that goes on for longer than was asked for is dead, though its connection does not know. */
const WATCH_GRACE_MS = 15_000;
const HEAD_MS = 10_000;
const LIST_MS = 30_000;
/** A watch that lived for so long was a good one. */
const STABLE_MS = 10_000;

/** Makes a source that lists the EndpointSlices of a service and watches them. */
export function createKubernetesSource(
  settings: KubernetesSettings,
  services: Pick<DiscoveryServices, 'clock' | 'random'>,
  environment: PodEnvironment = podEnvironment(),
): TargetSource {
  const closing = new AbortController();
  return {
    start(report) {
      const watch = new EndpointWatch(settings, services, environment, report, closing.signal);
      void watch.run();
    },
    close: () => closing.abort(),
  };
}

/** The API server no longer knows the version that we know: all has to be listed again. */
class VersionGone extends Error {}

class EndpointWatch {
  private readonly settings: KubernetesSettings;
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly environment: PodEnvironment;
  private readonly report: TargetReport;
  private readonly closing: AbortSignal;
  private readonly backoff: Backoff;
  private readonly slices = new Map<string, EndpointSlice>();
  /** The version up to which `slices` is known, `undefined` before the first list and when it has to be repeated. */
  private version: string | undefined = undefined;
  /** When the watch that runs began to be answered, by the monotonic clock. */
  private watchingSince: number | undefined = undefined;

  constructor(
    settings: KubernetesSettings,
    services: Pick<DiscoveryServices, 'clock' | 'random'>,
    environment: PodEnvironment,
    report: TargetReport,
    closing: AbortSignal,
  ) {
    this.settings = settings;
    this.clock = services.clock;
    this.random = services.random;
    this.environment = environment;
    this.report = report;
    this.closing = closing;
    this.backoff = new Backoff(services.random);
  }

  /** Lists when it has to, watches from there, and begins again after a pause, whatever ended the watch. */
  async run(): Promise<void> {
    while (!this.closing.aborted) {
      this.watchingSince = undefined;
      try {
        if (this.version === undefined) await this.list();
        await this.watch();
        this.settleWatch();
      } catch (error) {
        if (this.closing.aborted) return;
        this.recover(error);
      }
      await pause(this.clock, this.backoff.nextMs(), this.closing);
    }
  }

  /** Decides where to go on after a failure, and whether it is worth telling. */
  private recover(error: unknown): void {
    // What was cut by the network goes on from its last version. All else is listed again, to be sure.
    if ((error as NodeJS.ErrnoException).code === undefined) this.version = undefined;
    const wasGood = this.settleWatch();
    // Connections are cut all the time. What counts is whether the next one stands.
    if (!wasGood && !(error instanceof VersionGone)) this.fail(reasonOf(error));
  }

  /** Forgets earlier failures if the watch was a good one, and tells whether it was. */
  private settleWatch(): boolean {
    const { watchingSince } = this;
    if (watchingSince === undefined || this.clock.monotonic() - watchingSince < STABLE_MS) return false;
    this.backoff.reset();
    return true;
  }

  private async list(): Promise<void> {
    const call = await this.call({}, LIST_MS);
    const response = await getWhole(call, this.clock, this.closing);
    if (response.status !== 200) throw new Error(this.rejectionOf(response));
    const { items, metadata } = JSON.parse(response.body) as SliceList;
    this.slices.clear();
    for (const slice of items ?? []) this.slices.set(slice.metadata.name, slice);
    this.version = metadata.resourceVersion;
    this.tell();
  }

  private async watch(): Promise<void> {
    const seconds = Math.round(WATCH_SECONDS * (1 + this.random()));
    const call = await this.call(
      {
        watch: '1',
        allowWatchBookmarks: 'true',
        resourceVersion: this.version ?? '',
        timeoutSeconds: String(seconds),
      },
      seconds * 1000 + WATCH_GRACE_MS,
    );
    await get(call, this.clock, this.closing, {
      onHead: (head) => {
        if (head.status === 410) throw new VersionGone();
        if (head.status !== 200) throw new Error(this.rejectionOf(head));
        this.watchingSince = this.clock.monotonic();
        this.tell();
      },
      onData: readJsonLines((event) => this.apply(event as WatchEvent)),
    });
  }

  private async call(query: Readonly<Record<string, string>>, wholeMs: number): Promise<GetCall> {
    const { namespace, service, kubeconfig } = this.settings;
    const access: ClusterAccess =
      kubeconfig === undefined ? await readPodAccess(this.environment) : await readKubeconfig(kubeconfig);
    const base = access.server.href.replace(/\/$/, '');
    const url = new URL(`${base}/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`);
    url.searchParams.set('labelSelector', `kubernetes.io/service-name=${service}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const headers: Record<string, string> = { accept: 'application/json' };
    if (access.token !== undefined) headers.authorization = `Bearer ${access.token}`;
    return { url, headers, tls: access.tls, headMs: HEAD_MS, wholeMs };
  }

  private apply({ type, object }: WatchEvent): void {
    if (type === 'ERROR') {
      if (object.code === 410) throw new VersionGone();
      throw new Error(`the API server ends the watch (${object.code}: ${object.message}) — see its log`);
    }
    const slice = object as EndpointSlice;
    this.version = slice.metadata.resourceVersion;
    if (type === 'BOOKMARK') return;
    if (type === 'DELETED') this.slices.delete(slice.metadata.name);
    else this.slices.set(slice.metadata.name, slice);
    this.tell();
  }

  private tell(): void {
    const { namespace, service, port, zone } = this.settings;
    const choice = { port, zone, name: `${service}.${namespace}.svc` };
    const { targets, remark } = chooseEndpoints([...this.slices.values()], choice);
    if (remark === undefined) this.report.found(targets);
    else this.fail(remark);
  }

  private fail(reason: string): void {
    this.report.failed(`Kubernetes service ${this.settings.namespace}/${this.settings.service}: ${reason}`);
  }

  private rejectionOf({ status }: GetHead): string {
    const { namespace } = this.settings;
    if (status === 401)
      return 'the API server rejects the token (401) — check the account that it belongs to';
    if (status === 403) {
      return `the account may not read EndpointSlices (403) — allow it to get, list and watch endpointslices of discovery.k8s.io in namespace ${namespace}`;
    }
    return `the API server answers ${status} — see its log`;
  }
}

interface SliceList {
  readonly metadata: { readonly resourceVersion: string };
  readonly items?: readonly EndpointSlice[] | null;
}

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: Partial<EndpointSlice> & { readonly code?: number; readonly message?: string };
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== undefined) {
    return `the API server cannot be reached (${code}) — check its address and certificate`;
  }
  const isUnreadable = error instanceof SyntaxError || error instanceof TypeError;
  return isUnreadable ? 'the response does not come from an API server — check its address' : message;
}
