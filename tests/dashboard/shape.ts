// The dashboard's type: Grafana's own, where it is looser than what Grafana reads made as strict as that.
// test_types.py puts the file with the dashboard beside this one.
import type {
  AnnotationQuery,
  Dashboard,
  FieldConfig,
  FieldConfigSource,
  Panel,
  RowPanel,
} from './node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type * as stat from './node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as stateTimeline from './node_modules/@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen';
import type * as table from './node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type * as timeSeries from './node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

interface Target {
  refId: string;
  editorMode: 'code';
  expr: string;
  legendFormat: string;
  range: boolean;
  instant: boolean;
  format?: 'table';
}

interface Link {
  title: string;
  url: string;
  targetBlank: boolean;
}

// Grafana leaves open what a panel's kind decides.
type Of<Kind extends string, Options, Custom> = Omit<
  Panel,
  'type' | 'options' | 'fieldConfig' | 'links' | 'targets'
> & {
  type: Kind;
  options: Options;
  links: Link[];
  targets: Target[];
  fieldConfig: Omit<FieldConfigSource, 'defaults'> & {
    defaults: Omit<FieldConfig, 'custom'> & { custom?: Custom };
  };
};

// What Prometheus adds to an annotation.
type Annotation = Omit<AnnotationQuery, 'target'> & {
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
  tagKeys: string;
  useValueForTime: boolean;
  target: { refId: string; expr: string; interval: string };
};

type Shape = Omit<Dashboard, 'panels' | 'annotations'> & {
  annotations: { list: Annotation[] };
  panels: Array<
    | (Omit<RowPanel, 'type'> & { type: 'row' })
    | Of<'stat', stat.Options, never>
    | Of<'table', table.Options, table.FieldConfig>
    | Of<'timeseries', timeSeries.Options, timeSeries.FieldConfig>
    | Of<'state-timeline', stateTimeline.Options, stateTimeline.FieldConfig>
  >;
};

// JSON has the values of enums, not their members.
type Json<T> = T extends string ? `${T}` : T extends object ? { [Key in keyof T]: Json<T[Key]> } : T;

export type Checked = Json<Shape>;
