import type { Counter, Services } from '../core/services.ts';

/** What a listener counts. */
export interface ListenerMetrics {
  readonly refused: Counter;
  readonly handshakesFailed: Counter;
  readonly removeGauge: () => void;
}

/** Makes the series of the listener at `host:port`; `count` is how many connections are open. */
export function createListenerMetrics(
  { metrics }: Pick<Services, 'metrics'>,
  listener: string,
  count: () => number,
): ListenerMetrics {
  const labels = { listener };
  return {
    refused: metrics.counter('gateway_connections_refused_total', 'Connections above the limit.', labels),
    handshakesFailed: metrics.counter(
      'gateway_tls_handshakes_failed_total',
      'TLS handshakes that clients did not complete.',
      labels,
    ),
    removeGauge: metrics.gauge('gateway_listener_connections', 'Open client connections.', labels, count),
  };
}
