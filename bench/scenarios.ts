/** A question that the benchmark asks of all peers. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly path: string;
  /** Whether access log and metrics are on. */
  readonly isObserved: boolean;
  readonly isTls: boolean;
  /** The requests of this kind after the 45,000 small ones of the warm-up. */
  readonly warmUpSeconds: number;
  /** Shapes the requests of wrk. */
  readonly script?: string;
  /** The numbers of routes to compare; 0 where only the one for everything is configured. */
  readonly routes: readonly number[];
  /** The peers that can be asked. */
  readonly peers: readonly string[];
  /** Whether requests go through the whole chain of policies. */
  readonly isGuarded: boolean;
  /** The peer that the others are compared with. */
  readonly baseline: string;
  /** CPU of sallyport against that: what we want, and what we accept. */
  readonly goal?: { readonly ratio: number; readonly atMost: number };
}

const EVERYONE = ['nginx', 'haproxy', 'sallyport', 'caddy', 'fastify-http-proxy', 'express-gateway'];

const base = {
  path: '/orders/84',
  isObserved: true,
  isTls: false,
  isGuarded: false,
  baseline: 'nginx',
  warmUpSeconds: 0,
  routes: [0],
  peers: EVERYONE,
};

const POST_16KIB = `wrk.method = "POST"
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.body = string.rep("x", 16384)
`;

/** Asks all routes at random, so that no cache of the last few can answer. */
const spreadOver = (routes: number): string => `request = function()
  return wrk.format(nil, "/routes/" .. math.random(0, ${routes - 1}) .. "/84")
end
`;

/** The scenarios in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  {
    ...base,
    name: 'json',
    title: '124-byte JSON; access log, metrics, request id and forwarded headers on',
    peers: ['nginx-buffered-log', ...EVERYONE],
    goal: { ratio: 1.5, atMost: 1.9 },
  },
  {
    ...base,
    name: 'off',
    title: '124-byte JSON; access log and metrics off',
    isObserved: false,
    goal: { ratio: 1.2, atMost: 1.4 },
  },
  {
    ...base,
    name: '1mib',
    title: 'Responses of 1 MiB',
    path: '/1mib',
    warmUpSeconds: 3,
    goal: { ratio: 1.5, atMost: 1.5 },
  },
  { ...base, name: 'post', title: 'POST of 16 KiB', script: POST_16KIB, warmUpSeconds: 3 },
  { ...base, name: 'https', title: '124-byte JSON over HTTPS', isTls: true, warmUpSeconds: 3 },
  {
    ...base,
    name: 'routes',
    title: '124-byte JSON with 10 routes and with 10,000, all of them asked',
    warmUpSeconds: 3,
    routes: [10, 10_000],
    peers: ['nginx', 'sallyport'],
  },
  {
    ...base,
    name: 'chain',
    title: 'JWT, roles, rate limit, CORS and security headers, with access log and metrics',
    isGuarded: true,
    // So much code runs that it is compiled late, and the heap reaches its size later still.
    warmUpSeconds: 4,
    baseline: 'nginx-lua',
    peers: ['nginx-lua', 'sallyport'],
    goal: { ratio: 1, atMost: 1.2 },
  },
];

/** Returns the Lua script of a scenario for a peer with so many routes. */
export function scriptOf(scenario: Scenario, routes: number): string | undefined {
  return routes > 0 ? spreadOver(routes) : scenario.script;
}
