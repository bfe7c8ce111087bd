import { expect, it } from 'vitest';
import { configOf } from './load-text.ts';

it('takes the $schema with which JSON files get completion in editors', async () => {
  const text = '{ "$schema": "./schema/sallyport.schema.json", "listeners": [{ "port": 0 }] }';
  expect((await configOf(text, { name: 'sallyport.json' })).listeners).toHaveLength(1);
});
