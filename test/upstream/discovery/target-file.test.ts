import { describe, expect, it } from 'vitest';
import { parseTargetFile } from '../../../src/upstream/discovery/target-file.ts';

const yaml = (text: string) => parseTargetFile('targets.yaml', text);

describe('a file of targets', () => {
  it('holds URLs, with weight and zone where they are wanted', () => {
    const text = `targets:
  - http://10.0.0.1:9001
  - { url: "https://orders.test", weight: 2, zone: a }
  - http://[fd00::1]:9001
`;
    expect(yaml(text)).toEqual({
      ok: true,
      targets: [
        { host: '10.0.0.1', port: 9001, isSecure: false },
        { host: 'orders.test', port: 443, isSecure: true, weight: 2, zone: 'a' },
        { host: 'fd00::1', port: 9001, isSecure: false },
      ],
    });
  });

  it('may be JSON by its name', () => {
    expect(parseTargetFile('targets.json', '{ "targets": ["http://10.0.0.1:80"] }')).toMatchObject({
      ok: true,
    });
    expect(parseTargetFile('targets.json', 'targets: []')).toMatchObject({ ok: false });
  });

  it('may hold none, which is for others to judge', () => {
    expect(yaml('targets: []')).toEqual({ ok: true, targets: [] });
  });

  it.each([
    ['is empty', '', 'targets.yaml:1 targets is not a list of targets — write targets: [...]'],
    ['is not a list', 'targets: http://10.0.0.1', 'targets.yaml:1 targets is not a list of targets'],
    ['is not YAML', 'targets:\n  - [', 'targets.yaml:'],
    ['has a key twice', 'targets: []\ntargets: []', 'targets.yaml:2 this key is there twice'],
    [
      'has a wrong URL',
      'targets:\n  - http://10.0.0.1\n  - nowhere',
      'targets.yaml:3 targets.1.url is not the URL',
    ],
    ['has a number', 'targets:\n  - 9001', 'targets.yaml:2 targets.0 is not a target — write a URL'],
    [
      'has a negative weight',
      'targets: [{ url: "http://a", weight: -1 }]',
      'targets.0.weight is not a whole number',
    ],
    ['has an unknown key', 'targets: [{ url: "http://a", wieght: 1 }]', 'wieght'],
  ])('is refused with the place when it %s', (_, text, words) => {
    const file = yaml(text);
    expect(file.ok).toBe(false);
    expect(file).toMatchObject({ reason: expect.stringContaining(words) });
  });
});
