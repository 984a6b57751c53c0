/** @module The options of a reader that the settings of a command or a run file give. */
import type { RunSettings } from '../../protocol/spec/settings.ts';
import type { LoadOptions } from './load-node.ts';

export type DataFileSettings = {
  readonly [
    Name in
      | 'delimiter'
      | 'decimal'
      | 'thousands'
      | 'encoding'
      | 'header'
      | 'missing'
      | 'textColumns'
      | 'dropColumns'
      | 'imageSize'
  ]?: RunSettings[Name] | undefined;
};

/** The options without those that are not given. */
export const readOptionsOf = (settings: DataFileSettings): LoadOptions => {
  const { delimiter, decimal, thousands, encoding, header, missing, imageSize } = settings;
  const { textColumns, dropColumns } = settings;
  return {
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(decimal === undefined ? {} : { decimal }),
    ...(thousands === undefined ? {} : { thousands }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(header === undefined ? {} : { header: header === 'yes' }),
    ...(missing === undefined ? {} : { missing }),
    ...(textColumns === undefined ? {} : { text: textColumns }),
    ...(dropColumns === undefined ? {} : { drop: dropColumns }),
    ...(imageSize === undefined ? {} : { imageSize }),
  };
};
