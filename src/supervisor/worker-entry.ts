import { runWorker } from './worker.ts';

// The entry point of a worker: the one module here that works when it is run.

runWorker();
