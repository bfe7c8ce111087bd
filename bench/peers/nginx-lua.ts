import path from 'node:path';
import type { Chain } from '../chain.ts';
import type { Peer, Setup } from '../peer.ts';
import { writeInto } from '../workplace.ts';

const MODULES = '/usr/lib/nginx/modules';

/**
 * nginx with the chain written by hand in Lua, as a team does that needs no more: verified tokens in an LRU cache of the
 * worker, requests counted in shared memory by fixed windows.
 */
export const nginxLua: Peer = {
  name: 'nginx-lua',
  commands: ['nginx'],
  files: {
    [`${MODULES}/ngx_http_lua_module.so`]: 'libnginx-mod-http-lua',
    '/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so': 'lua-cjson',
  },
  isNpmPackage: false,
  prepare(setup) {
    if (setup.chain === undefined) throw new TypeError('nginx-lua is for the chain only');
    const script = writeInto(setup.folder, 'chain.lua', luaOf(setup.chain));
    const config = writeInto(setup.folder, 'nginx.conf', configOf(setup, script, setup.chain));
    return {
      file: 'nginx',
      args: ['-p', setup.folder, '-c', config, '-e', path.join(setup.folder, 'error.log')],
    };
  },
};

function luaOf({ secret, issuer, audience, role, limit }: Chain): string {
  return `local cjson = require "cjson.safe"
local ffi = require "ffi"
local tokens = require("resty.lrucache").new(10000)
ffi.cdef[[
const void *EVP_sha256(void);
unsigned char *HMAC(const void *md, const void *key, int key_len, const unsigned char *d, size_t n,
                    unsigned char *out, unsigned int *out_len);
]]
local crypto = ffi.load("libcrypto.so.3")
local digest = ffi.new("unsigned char[32]")
local length = ffi.new("unsigned int[1]")
local counters = ngx.shared.counters
local M = {}

local function decode(part)
  local text = part:gsub("-", "+"):gsub("_", "/")
  return ngx.decode_base64(text .. ("="):rep(-#text % 4))
end

local function verify(token)
  local head, body, signature = token:match("^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$")
  if not head then return nil end
  local header, claims = cjson.decode(decode(head) or ""), cjson.decode(decode(body) or "")
  if not header or not claims or header.alg ~= "HS256" then return nil end
  local signed = head .. "." .. body
  crypto.HMAC(crypto.EVP_sha256(), "${secret}", ${secret.length}, signed, #signed, digest, length)
  if decode(signature) ~= ffi.string(digest, 32) then return nil end
  if claims.iss ~= "${issuer}" or claims.aud ~= "${audience}" or type(claims.exp) ~= "number" then return nil end
  claims.has_role = false
  for _, role in ipairs(claims.roles or {}) do if role == "${role}" then claims.has_role = true end end
  claims.roles_text = table.concat(claims.roles or {}, ",")
  return claims
end

local function refuse(status, fields)
  for name, value in pairs(fields) do ngx.header[name] = value end
  ngx.status = status
  ngx.header["content-type"] = "application/problem+json"
  ngx.say(cjson.encode({ status = status }))
  return ngx.exit(status)
end

function M.access()
  local header = ngx.var.http_authorization
  local token = header and header:sub(1, 7) == "Bearer " and header:sub(8)
  if not token then return refuse(401, { ["www-authenticate"] = "Bearer" }) end
  local now = ngx.now()
  local claims = tokens:get(token)
  if not claims then
    claims = verify(token)
    if not claims or claims.exp < now then return refuse(401, { ["www-authenticate"] = "Bearer" }) end
    tokens:set(token, claims, claims.exp - now)
  end
  if not claims.has_role then return refuse(403, {}) end
  local window = now - now % 3600
  local used = counters:incr(claims.sub .. window, 1, 0, 3600)
  local left, reset = ${limit} - used, math.ceil(window + 3600 - now)
  ngx.ctx.policy = '"orders";q=${limit};w=3600'
  ngx.ctx.standing = '"orders";r=' .. math.max(left, 0) .. ";t=" .. reset
  if left < 0 then return refuse(429, { ["retry-after"] = reset, ratelimit = ngx.ctx.standing }) end
  ngx.req.set_header("x-auth-subject", claims.sub)
  ngx.req.set_header("x-auth-roles", claims.roles_text)
  ngx.req.set_header("x-auth-permissions", claims.scope)
end

function M.header()
  ngx.header["ratelimit-policy"] = ngx.ctx.policy
  ngx.header.ratelimit = ngx.ctx.standing
end

return M
`;
}

/** What the policy \`security-headers\` sets over HTTP, and \`cors\` for an origin that is allowed. */
const ANSWER_FIELDS = [
  `Content-Security-Policy "default-src 'none'; frame-ancestors 'none'"`,
  'Cross-Origin-Opener-Policy same-origin',
  'Cross-Origin-Resource-Policy same-origin',
  'Origin-Agent-Cluster ?1',
  'Referrer-Policy no-referrer',
  'X-Content-Type-Options nosniff',
  'X-DNS-Prefetch-Control off',
  'X-Download-Options noopen',
  'X-Frame-Options DENY',
  'X-Permitted-Cross-Domain-Policies none',
  'X-XSS-Protection 0',
  'Access-Control-Allow-Origin $allowed_origin',
  'Vary Origin',
  'X-Request-Id $request_id',
];

function configOf({ folder, port, backendPort }: Setup, script: string, { origin }: Chain): string {
  return `daemon off;
load_module ${MODULES}/ndk_http_module.so;
load_module ${MODULES}/ngx_http_lua_module.so;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 16384; }
http {
  lua_package_path "${path.dirname(script)}/?.lua;/usr/share/lua/5.1/?.lua;;";
  lua_package_cpath "/usr/lib/x86_64-linux-gnu/lua/5.1/?.so;;";
  lua_shared_dict counters 16m;
  init_by_lua_block { chain = require "chain" }
  map $http_origin $allowed_origin { "${origin}" $http_origin; default ""; }
  log_format full '$remote_addr - [$time_iso8601] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" $request_id $request_time $upstream_response_time $upstream_addr';
  access_log ${folder}/access.log full;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000000;
    keepalive_timeout 75s;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header Via "1.1 nginx";
    proxy_set_header X-Request-Id $request_id;
${ANSWER_FIELDS.map((field) => `    add_header ${field} always;`).join('\n')}
    location / {
      access_by_lua_block { chain.access() }
      header_filter_by_lua_block { chain.header() }
      proxy_pass http://backend;
    }
  }
}
`;
}
