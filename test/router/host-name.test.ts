import { expect, it } from 'vitest';
import { hostNameOf } from '../../src/router/host-name.ts';

it.each([
  ['api.example.com', 'api.example.com'],
  ['API.Example.com:8443', 'api.example.com'],
  ['api.example.com.', 'api.example.com'],
  ['api.example.com.:80', 'api.example.com'],
  ['localhost:', 'localhost'],
  ['127.0.0.1:80', '127.0.0.1'],
  ['[2001:DB8::1]', '[2001:db8::1]'],
  ['[::1]:8080', '[::1]'],
  ['', ''],
])('the host name of %j is %j', (authority, host) => {
  expect(hostNameOf(authority)).toBe(host);
});
