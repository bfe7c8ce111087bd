# docker build -t sallyport .
# docker run --stop-timeout 30 -p 8080:8080 -v ./conf:/etc/sallyport:ro sallyport     (conf holds sallyport.yaml)

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY toolchain toolchain
# Nothing that is installed has a script; the one of this package would build what is not here yet.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
RUN npm run build

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
COPY toolchain toolchain
RUN npm ci --omit=dev --omit=optional --ignore-scripts

# Of Node's image the program alone: no npm, no yarn, no headers.
FROM debian:bookworm-slim
ENV NODE_ENV=production
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=dependencies /app /app
COPY --from=build /app/dist /app/dist
COPY LICENSE /app/
# dataDir lies beside the configuration file unless it is set; where it must outlive the container, mount a volume at
# /var/lib/sallyport and write `dataDir: /var/lib/sallyport`. A volume that is made there belongs to our user.
RUN mkdir -p /etc/sallyport /var/lib/sallyport && chown 1000:1000 /etc/sallyport /var/lib/sallyport \
  && chmod 700 /var/lib/sallyport && ln -s /app/dist/cli.js /usr/local/bin/sallyport
WORKDIR /etc/sallyport
# A number, so that Kubernetes can tell that it is not root (`runAsNonRoot`).
USER 1000:1000
EXPOSE 8080 9901 9902
# Drains. `docker stop` kills after 10 s unless told otherwise (`--stop-timeout 30`), draining takes 25 s at most.
STOPSIGNAL SIGTERM
# Asks the port that the configuration says.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["node", "/app/dist/cli.js", "healthcheck"]
ENTRYPOINT ["node", "--disable-sigusr1", "/app/dist/cli.js"]
# Finds sallyport.yaml, .yml, .json or .ts in /etc/sallyport.
CMD ["start"]
