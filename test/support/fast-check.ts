import fc from 'fast-check';

/**
 * fast-check as all tests use it: what a run finds depends on the code alone, not on the run. `FAST_CHECK_SEED=7 npm
 * test` looks elsewhere.
 */
fc.configureGlobal({ seed: Number(process.env.FAST_CHECK_SEED ?? 9110) });

export { fc };
