import { expect, it, onTestFinished, vi } from 'vitest';
import { createGateway } from '../../src/index.ts';
import audit from '../config/fixtures/policies/audit.ts';
import { MemoryDestination } from '../observability/memory-destination.ts';

vi.mock('../config/fixtures/policies/audit.ts', async (importActual) => {
  const { default: actual } = await importActual<typeof import('../config/fixtures/policies/audit.ts')>();
  return { default: { ...actual, create: () => ({ onRequest: () => ({ status: 418 }) }) } };
});

it('has a mocked policy run where it is a value', async () => {
  const gateway = await createGateway({
    config: {
      listeners: [{ port: 0 }],
      customPolicies: { 'acme/audit': audit },
      routes: [{ id: 'a', path: '/', policies: ['acme/audit'], respond: {} }],
    },
    logDestination: new MemoryDestination(),
  });
  onTestFinished(() => gateway.close());
  expect((await gateway.inject({ url: '/' })).status).toBe(418);
});
