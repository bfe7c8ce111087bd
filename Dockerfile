# docker build -t sallyport . && docker run -p 8080:8080 -v ./sallyport.yaml:/etc/sallyport/sallyport.yaml:ro sallyport

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY toolchain toolchain
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
RUN npm run build

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
COPY toolchain toolchain
RUN npm ci --omit=dev --omit=optional

FROM node:24-slim
ENV NODE_ENV=production
COPY --from=dependencies /app /app
COPY --from=build /app/dist /app/dist
COPY LICENSE /app/
# dataDir lies beside the configuration file unless it is set; mount a volume where it must outlive the container.
RUN mkdir -p /etc/sallyport && chown node:node /etc/sallyport
WORKDIR /etc/sallyport
USER node
EXPOSE 8080 9901 9902
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9901/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--disable-sigusr1", "/app/dist/cli.js"]
CMD ["start", "--config", "/etc/sallyport/sallyport.yaml"]
