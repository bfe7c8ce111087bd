import { describe, expect, it } from 'vitest';
import { addressRange, duration, headerValue, share, size } from '../../src/config/schema/scalars.ts';

describe('a scalar', () => {
  it.each([
    [duration(), '250ms', 250],
    [duration(), '1.5s', 1500],
    [duration(), '1m', 60_000],
    [duration(), '1h', 3_600_000],
    [duration(), '1d', 86_400_000],
    [size(), '512B', 512],
    [size(), '16KiB', 16_384],
    [size(), '1MiB', 1_048_576],
    [share(), '20%', 0.2],
    [share(), '100%', 1],
    [addressRange(), '10.0.0.0/8', '10.0.0.0/8'],
    [addressRange(), '::1', '::1'],
    [headerValue(), '', ''],
    [headerValue(), 'a b', 'a b'],
  ])('%# takes %j as %j', (schema, written, meant) => {
    expect(schema.parse(written)).toBe(meant);
  });

  it.each([
    [duration(), ['5', '5 s', '5S', '-1s', 's', '1w', '', 5]],
    [size(), ['16', '16KB', '16kib', '-1B', '1 MiB', 16]],
    [share(), ['20', '101%', '100.5%', '-1%', 0.2]],
    [
      addressRange(),
      ['10.0.0.0/33', '10.0.0.0/', '10.0.0/8', '::1/129', 'fe80::1%eth0', 'host', '1.2.3.4/8/8'],
    ],
    [
      addressRange(),
      [
        '::ffff:10.0.0.0/104',
        '::FFFF:a00:0/104',
        '0:0:0:0:0:ffff:10.0.0.1',
        '0::ffff:0:0/96',
        '::0:ffff:1.2.3.4',
      ],
    ],
    [headerValue(), ['a\nb', 'a\rb', '\0', ' a', 'a ', 'é\u0100']],
  ])('%# refuses what it cannot mean', (schema, texts) => {
    expect(texts.filter((text) => schema.safeParse(text).success)).toEqual([]);
  });
});
