import { describe, expect, it } from 'vitest';
import { configOf, problemsOf, withRoutes } from './load-text.ts';

const gateway = (rest: string) => `listeners: [{ port: 0 }]\n${rest}\n`;

describe('listeners', () => {
  it.each([
    [
      'listeners: [{ port: 80 }, { port: 80 }]',
      '1:35 listeners[1].port: is taken by listeners[0] already — choose another port',
    ],
    [
      'listeners: [{ port: 80, host: 127.0.0.1 }, { port: 80 }]',
      '1:52 listeners[1].port: is taken by listeners[0] already — choose another port',
    ],
    ['listeners: [{ port: 9901 }]', '1:1 admin.port: is taken by listeners[0] already — choose another port'],
    [
      'listeners: [{ port: 80 }]\nstatus: { port: 80 }',
      '2:17 status.port: is taken by listeners[0] already — choose another port',
    ],
    [
      'listeners: [{ port: 80, redirectToHttps: 80 }]',
      '1:42 listeners[0].redirectToHttps: leads back to this listener — write the port of the listener that has tls',
    ],
    ['listeners: []', '1:1 listeners: is empty — add one, such as `- port: 8080`'],
    ['routes: []', "1:1 listeners: is missing — add 'listeners'"],
  ])('are refused: %s', async (text, problem) => {
    expect(await problemsOf(text)).toEqual([problem]);
  });

  it('may share a port on different addresses, and port 0', async () => {
    await configOf(
      'listeners: [{ port: 80, host: 127.0.0.1 }, { port: 80, host: "::1" }, { port: 0 }, { port: 0 }]',
    );
  });

  it('with tls do not redirect to HTTPS', async () => {
    const text =
      'listeners: [{ port: 1, redirectToHttps: 2, tls: { certificates: [{ certFile: a, keyFile: a }] } }]';
    expect(await problemsOf(text, { files: { a: '' } })).toEqual([
      expect.stringContaining('redirectToHttps: has no meaning on a listener that has tls'),
    ]);
  });
});

describe('upstreams', () => {
  it.each([
    ['{}', /upstreams\.x: has nowhere to send requests/],
    ['{ targets: [] }', /targets: is empty/],
    ['{ targets: ["http://a:1"], app: ./app.ts }', /app: stands beside targets/],
    ['{ targets: ["http://a:1", { url: "http://A:1/" }] }', /targets\[1\]: is the same as targets\[0\]/],
    ['{ targets: ["http://a:1"], tls: {} }', /tls: has no effect/],
    ['{ targets: ["https://a:1"], tls: { keyFile: ./app.ts } }', /tls\.keyFile: stands alone — add certFile/],
    ['{ app: ./app.ts, tls: {} }', /tls: has no effect on an app/],
    ['{ app: ./none.ts }', /app: names a file that cannot be read \(ENOENT\)/],
    ['{ targets: ["ftp://a:1"] }', /targets\[0\]: is not the URL of a target/],
    ['{ targets: ["http://u:p@a:1"] }', /targets\[0\]: holds a user or password/],
    ['{ targets: [{ url: "http://a:1", weight: 0 }] }', /targets\[0\]\.weight: .*at least 1/],
    [
      '{ targets: ["http://a:1"], balance: fastest }',
      /balance: is not a balancing strategy — write round-robin/,
    ],
    ['{ targets: ["http://a:1"], retries: { on: [404] } }', /retries\.on\[0\]/],

    ['{ targets: [{ ulr: "http://a:1" }] }', /targets\[0\].*url/],
  ])('are refused: %s', async (upstream, problem) => {
    const problems = await problemsOf(gateway(`upstreams: { x: ${upstream} }`), { files: { 'app.ts': '' } });
    expect(problems[0]).toMatch(problem);
  });

  it('need a name that can stand in metrics', async () => {
    expect(await problemsOf(gateway('upstreams: { "a b": { targets: ["http://a:1"] } }'))).toEqual([
      '2:14 upstreams["a b"]: is not a name for an upstream — use letters, digits, hyphens, dots and underscores',
    ]);
  });
});

describe('routes', () => {
  it.each([
    [
      '{ id: r, path: /x }',
      /routes\[0\]: defines no response — add upstream, split, aggregate, batch, respond or redirect/,
    ],
    ['{ id: r, path: /x, upstream: a, respond: {} }', /respond: stands beside upstream/],
    ['{ id: r, path: /x, split: [{ upstream: a, weight: 1 }] }', /split: splits nothing/],
    [
      '{ id: r, path: /x, split: [{ upstream: a, weight: 1 }, { upstream: b, weight: 1 }] }',
      /split\[1\]\.upstream: there is no upstream 'b'/,
    ],
    [
      '{ id: r, path: /x, split: [{ upstream: a, weight: 1 }, { upstream: a }] }',
      /split\[1\]: takes no requests/,
    ],
    [
      '{ id: r, path: /x, split: [{ upstream: a, headers: { x: y } }, { upstream: a, cookies: { c: d } }] }',
      /split: leaves requests over/,
    ],
    ['{ id: r, path: /x, upstream: b }', /upstream: there is no upstream 'b' — did you mean 'a'\?/],
    [
      '{ id: r, path: /x, upstream: payments }',
      /there is no upstream 'payments' — define it under upstreams/,
    ],
    ['{ id: r, path: /x, upstream: a, rewrite: /y, stripPrefix: /x }', /stripPrefix: stands beside rewrite/],
    [
      '{ id: r, path: /xy/*, upstream: a, stripPrefix: /x }',
      /stripPrefix: is not how the path of this route begins/,
    ],
    ['{ id: r, path: "/:x/*", upstream: a, stripPrefix: "/:x" }', /stripPrefix: is not how the path/],
    ['{ id: r, path: /x, upstream: a, rewrite: "/y?a=b" }', /rewrite: holds '\?' or '#'/],
    ['{ id: r, path: /x, upstream: a, rewrite: y }', /rewrite: does not begin with '\/'/],
    ['{ id: r, path: /x, upstream: a, stripPrefix: x }', /stripPrefix: does not begin with '\/'/],
    ['{ id: r, path: /x/%2E%2e/y, upstream: a }', /path: holds a dot segment/],
    ['{ id: r, path: "/x/{id}", upstream: a }', /path: holds braces — write parameters as :name/],
    ['{ id: r, path: /x//y, upstream: a }', /path: holds '\/\/'/],
    ['{ id: r, path: /*/y, upstream: a }', /path: has '\*' before its end/],
    ['{ id: r, path: /:a/:a, upstream: a }', /path: has two parameters with the same name/],
    ['{ id: r, path: /x, redirect: { host: "a.example:80" } }', /redirect\.host: is not a host/],
    [
      '{ id: r, path: "/:id", upstream: a, rewrite: "/{params.ID}" }',
      /rewrite: names a parameter .+ did you mean {params.id}\?/,
    ],
    [
      '{ id: r, path: "/x", upstream: a, rewrite: "/{params.id}" }',
      /rewrite: names a parameter .+ add it to path/,
    ],
    ['{ id: r, path: "/:id", upstream: a, rewrite: "/{id}" }', /rewrite: has braces without a parameter/],
    ['{ id: r, path: "/:id", upstream: a, rewrite: "/:id" }', /rewrite: holds : or \*/],
    [
      '{ id: r, path: "/:id", upstream: a, rewrite: "/{params.id" }',
      /rewrite: has a brace without its other half/,
    ],
    [
      '{ id: r, path: /x, respond: { status: 204, body: no } }',
      /respond\.body: cannot be sent with status 204/,
    ],
    [
      '{ id: r, path: /x, respond: { headers: { Content-Length: "3" } } }',
      /Content-Length: is written by the gateway itself/,
    ],
    ['{ id: r, path: /x, respond: { headers: { a: "b\\r\\nc: d" } } }', /headers\.a: is not a header value/],
    ['{ id: r, path: /x, respond: {}, hostHeader: target }', /hostHeader: has no effect without an upstream/],
    ['{ id: r, path: /x, redirect: {} }', /redirect: leads nowhere else/],
    ['{ id: r, path: /x, redirect: { path: /x } }', /redirect\.path: leads back to this route/],
    [
      '{ id: r, path: /X, caseSensitive: false, redirect: { path: /x } }',
      /redirect\.path: leads back to this route/,
    ],
    [
      '{ id: r, path: /x/, trailingSlash: same, redirect: { path: /x } }',
      /redirect\.path: leads back to this route/,
    ],
    [
      '{ id: r, path: /x/*, redirect: { path: "/x/new/{params.*}" } }',
      /redirect\.path: leads back to this route/,
    ],
    [
      '{ id: r, path: /x, redirect: { path: /y, status: 200 } }',
      /redirect\.status: is not a redirect status/,
    ],
    [
      '{ id: r, path: /x, methods: [POTS], upstream: a }',
      /methods\[0\]: is not known here — did you mean 'POST'\?/,
    ],
    ['{ id: r, path: /x, hosts: ["a.example:8080"], upstream: a }', /hosts\[0\]: is not a host/],
    ['{ id: r, path: /x, upstream: a, timeout: 30 }', /timeout: has no unit — write 30s for seconds/],
    ['{ id: r, path: /x, upstream: a, retries: { max: 1 } }', /retries: there is no setting 'retries' here/],
  ])('are refused: %s', async (route, problem) => {
    expect(await problemsOf(withRoutes(route))).toEqual([expect.stringMatching(problem)]);
  });

  it('may redirect into what another route takes, or to another host', async () => {
    await configOf(
      withRoutes(
        '{ id: all, path: /*, redirect: { path: /new } }',
        '{ id: new, path: /new, upstream: a }',
        '{ id: s, path: /s, redirect: { scheme: https } }',
        '{ id: t, path: /t/*, redirect: { path: "/s/{params.*}" } }',
      ),
    );
  });

  it('need ids of their own', async () => {
    const routes = ['{ id: r, path: /x, upstream: a }', '{ id: r, path: /y, upstream: a }'];
    expect(await problemsOf(withRoutes(...routes))).toEqual([
      "5:11 routes[1].id: 'r' is the id of routes[0] too — give each its own",
    ]);
  });
});

describe('policies', () => {
  it.each([
    ['limt', "policies[0]: there is no policy 'limt' — did you mean 'limit'?"],
    ['{ cache: {} }', "policies[0].cache: there is no policy 'cache' — use one of limit, share-it"],
    ['acme/audit', "policies[0]: there is no policy 'acme/audit' — name its file in customPolicies"],
    [
      '{ limit: {}, maximum: 3 }',
      'policies[0]: has 2 keys, but a policy entry is one — indent the options of limit under it',
    ],
    ['5', 'policies[0]: is not a policy — write its name, or a map from its name to its options'],
    [
      '{ limit: { maximun: 3 } }',
      "policies[0].limit.maximun: there is no setting 'maximun' here — did you mean 'maximum'?",
    ],
    [
      '{ limit: { maximum: many } }',
      'policies[0].limit.maximum: is text where a number is due — write a number',
    ],
    ['share-it', "policies[0].origins: is missing — add 'origins'"],
    ['{ limit: }', 'policies[0].limit: is empty where a map is due — write a map'],
    ['{ limit: { observe: 1 } }', 'policies[0].limit.observe: is not true or false — write one of them'],
    [
      '{ share-it: { origins: [], observe: true } }',
      'policies[0].share-it.observe: has no effect, since share-it rejects nothing — leave it out',
    ],
  ])('are refused: %s', async (entry, problem) => {
    const problems = await problemsOf(gateway(`policies: [${entry}]`));
    expect(problems.map((text) => text.replace(/^\S+ /, ''))).toEqual([problem]);
  });

  const use = 'share-it: { origins: [] }';
  const routes = (policies: string) => `[{ id: a, path: /, respond: {}, policies: [${policies}] }]`;

  it('are refused where only one of two can hold, in each list', async () => {
    const problems = await problemsOf(
      gateway(`policies: [{ ${use} }, limit, { ${use} }]\nroutes: ${routes(`{ ${use} }, { ${use} }`)}`),
    );
    const message = 'is a second share-it in one list, of which only one can hold — put all into one entry';
    expect(problems.map((text) => text.replace(/^\S+ /, ''))).toEqual([
      `policies[2]: ${message}`,
      `routes[0].policies[1]: ${message}`,
    ]);
  });

  it('are taken where a route replaces the top-level one, or where both run', async () => {
    const text = gateway(`policies: [limit, { ${use} }, limit]\nroutes: ${routes(`{ ${use} }`)}`);
    const config = await configOf(text);
    expect(config.policies).toHaveLength(3);
  });
});
