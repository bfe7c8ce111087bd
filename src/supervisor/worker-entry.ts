import { allocateYoung } from '../gateway/allocate-young.ts';
import { runWorker } from './worker.ts';

// The entry point of a worker: the one module here that works when it is run.

allocateYoung();
runWorker();
