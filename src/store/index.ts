/** Where recordings are kept: the catalogue (rows to search) and the objects (files). */
export * from './catalogue.ts';
export * from './objects.ts';
export * from './recording.ts';
export { SqliteCatalogue, type SqliteCatalogueOptions } from './sqlite-catalogue.ts';
