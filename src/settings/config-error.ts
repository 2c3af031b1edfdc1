/** A configuration that can't be used. The message is for the operator. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}
