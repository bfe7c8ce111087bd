/**
 * The demo: three small services and the gateway in front of them, `npm start`.
 * With `--from-source` the gateway runs from src/ instead of dist/, `npm run dev`.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startServices } from './services.ts';

const { values: options } = parseArgs({ options: { 'from-source': { type: 'boolean', default: false } } });

// The two builds have the same exports; dist/ need not exist when types are checked.
const entry: string = options['from-source'] ? '../src/index.ts' : '../dist/index.js';
const { createGateway } = (await import(entry)) as typeof import('../src/index.ts');

const WHAT_TO_TRY = `
The gateway listens on http://localhost:8080, its admin port is 9901. Try:

  curl -i http://localhost:8080/users/1             a path that the service knows under another name
  curl -i http://localhost:8080/orders/             the prefix is taken off
  curl -i http://localhost:8080/home/1              one answer of three services, one of them slow, one down
  curl -i 'http://localhost:8080/echo/hello?a=b'    what a service sees: forwarded headers, request id
  curl -N http://localhost:8080/echo/events         a stream, not buffered
  curl -i http://localhost:8080/status              answered by the gateway itself
  curl -iL http://localhost:8080/v0/users/2         redirected
  curl -i -X DELETE http://localhost:8080/users/1   405, with Allow
  curl -i http://localhost:8080/nowhere             404, as problem+json
  curl -s http://localhost:9901/metrics             counts and latencies

Edit demo/sallyport.yaml and save: the running gateway takes the change over. Ctrl-C ends the demo.
`;

try {
  await run();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

async function run(): Promise<void> {
  const services = await startServices();
  const configFile = path.join(import.meta.dirname, 'sallyport.yaml');
  const gateway = await createGateway({ configFile, env: process.env });
  await gateway.start();
  const stop = async (): Promise<void> => {
    for (const service of services) service.close();
    await gateway.close();
    process.exit();
  };
  // A second signal ends the process at once.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  console.log(WHAT_TO_TRY);
}
