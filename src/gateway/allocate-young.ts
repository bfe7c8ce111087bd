import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 make all objects where new ones are. It guesses of each place in the code whether what is made there lives long,
 * and of what a request leaves behind it guessed wrong: 3 MB of garbage became old at each small collection, until a large
 * one stopped everything for 5 ms. Sooner is better, since a guess is kept.
 */
export function allocateYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
}
