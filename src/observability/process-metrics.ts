import { readdir } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { Counter, Gauge, type Registry } from '@prometheus-io/client';
import { countArmedTimers } from '../core/clock.ts';
import { readDescriptorLimit } from '../core/network/descriptors.ts';

const RESOLUTION_MS = 20;
const NANOSECONDS = 1e9;

/** Registers memory, CPU and event-loop delay of this process. Returns a function that stops measuring. */
export function registerProcessMetrics(registry: Registry): () => void {
  const registers = [registry];
  registerCpu(registers);
  registerMemory(registers);
  registerDescriptors(registers);
  new Gauge({
    name: 'gateway_timers',
    help: 'Timers of the gateway that are armed. A number that keeps growing is a leak.',
    registers,
    collect() {
      this.set(countArmedTimers());
    },
  });
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'When the process started, in seconds since 1970.',
    registers,
  }).set(performance.timeOrigin / 1000);
  return registerEventLoopDelay(registers);
}

function registerCpu(registers: Registry[]): void {
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process, user and system.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
}

function registerMemory(registers: Registry[]): void {
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory of the process that is in RAM.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: 'nodejs_memory_bytes',
    help: 'Memory of the process by use: heap_used, heap_total and heap_limit of JavaScript, external with array_buffers.',
    labelNames: ['use'],
    registers,
    collect() {
      const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
      this.set({ use: 'heap_used' }, heapUsed);
      this.set({ use: 'heap_total' }, heapTotal);
      this.set({ use: 'heap_limit' }, getHeapStatistics().heap_size_limit);
      this.set({ use: 'external' }, external);
      this.set({ use: 'array_buffers' }, arrayBuffers);
    },
  });
}

/** The names are those that Prometheus' own clients use. */
function registerDescriptors(registers: Registry[]): void {
  new Gauge({
    name: 'process_open_fds',
    help: 'File descriptors that are open.',
    registers,
    async collect() {
      const open = await readdir('/dev/fd').catch(() => []);
      // The one that is open for looking is not meant.
      this.set(Math.max(0, open.length - 1));
    },
  });
  new Gauge({
    name: 'process_max_fds',
    help: 'File descriptors that may be open.',
    registers,
    collect() {
      this.set(readDescriptorLimit());
    },
  });
}

function registerEventLoopDelay(registers: Registry[]): () => void {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  // What is measured is the time between two firings of a timer, which is the resolution where nothing is late.
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION_MS / 1000);
  new Gauge({
    name: 'gateway_event_loop_delay_seconds',
    help: 'How late the event loop ran since the last scrape.',
    labelNames: ['stat'],
    registers,
    collect() {
      this.set({ stat: 'mean' }, histogram.count === 0 ? 0 : seconds(histogram.mean));
      this.set({ stat: 'p50' }, seconds(histogram.percentile(50)));
      this.set({ stat: 'p99' }, seconds(histogram.percentile(99)));
      this.set({ stat: 'max' }, seconds(histogram.max));
      histogram.reset();
    },
  });
  return () => void histogram.disable();
}
