/** Writes a configuration to begin with. `schemaPath` is where the JSON Schema lies, seen from the new file. */
export function starterConfig(schemaPath: string): string {
  return `# yaml-language-server: $schema=${schemaPath}
#
# A Sallyport configuration. \`sallyport check\` names every mistake in it, \`sallyport start\` runs it, and a running
# gateway takes over changes as soon as the file is saved.

listeners:
  - port: 8080                # host: 0.0.0.0 unless given

# The operators' port: /healthz, /readyz and /metrics, and with the token everything else.
# Left out, the token is made once and kept in dataDir.
admin:
  host: 127.0.0.1
  port: 9901
  # token: "\${SALLYPORT_ADMIN_TOKEN}"

# Where requests go. Several targets share the work, and one that is down is not waited for.
upstreams:
  app:
    targets: ["http://127.0.0.1:3000"]
    # timeouts: { connect: 3s, response: 30s, idle: 60s }

# What every route runs first, in this order. A route may have policies of its own.
policies:
  - request-id
  - security-headers
  # - cors: { origins: ["https://app.example.com"] }

# Which requests go where. The most exact path wins, whatever the order here.
routes:
  - id: hello
    path: /hello/:name        # :name stands for one segment, a last * for all that follow
    methods: [GET]
    respond: { status: 200, body: { message: "The gateway runs." } }

  - id: app
    path: /*
    upstream: app
    # rewrite: "/v1/{params.*}"
    # timeout: 30s
`;
}
