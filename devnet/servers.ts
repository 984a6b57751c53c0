/**
 * @module The HTTP servers of one devnet, started one by one and stopped together.
 */
import {
  startHttpServer,
  type HttpHandler,
  type HttpServerOptions,
  type RunningServer,
} from './http.ts';

export interface ServerGroup {
  /** Starts a server of the group. @throws {DevnetError} `port_taken` */
  start(
    handler: HttpHandler,
    options: Omit<HttpServerOptions, 'port'> & { readonly port?: number | undefined },
  ): Promise<RunningServer>;
  /** Closes every socket of every server. */
  stop(): Promise<void>;
}

export const createServerGroup = (): ServerGroup => {
  const servers: RunningServer[] = [];
  return {
    start: async (handler, { port, ...options }) => {
      const server = await startHttpServer(handler, {
        ...options,
        ...(port === undefined ? {} : { port }),
      });
      servers.push(server);
      return server;
    },
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
};

/**
 * The `index`-th port from the first one, or of a list; undefined, any free port, when none was
 * given.
 */
export const nthPort = (
  given: number | readonly number[] | undefined,
  index: number,
): number | undefined => {
  if (typeof given === 'object') return given[index];
  return given === undefined || given === 0 ? undefined : given + index;
};
