import { LOOPBACK } from '../support/loopback.ts';
/** Fetches the metrics of a gateway as text. */
export async function metricsOf(adminPort: number): Promise<string> {
  return (await fetch(`http://${LOOPBACK}:${adminPort}/metrics`)).text();
}
