/* SPDX-License-Identifier: Apache-2.0
 *
 * ConfigTab - the configuration in force, secrets masked by the server.
 */
import { config } from '../../api/prometheus';
import { tick } from '../../state/clock';
import { useResource } from '../../state/resource';
import { CopyButton } from '../../ui/copy';
import { Panel } from '../../ui/panel';
import { Empty } from '../../ui/states';
import { YamlView } from './yaml-view';

export function ConfigTab() {
  const resource = useResource(
    'config',
    tick.value,
    async (signal) => (await config(signal)).data.yaml,
  );
  const { data } = resource;
  return (
    <Panel
      title="Configuration in force"
      label="Configuration"
      resource={resource}
      dataKey="config"
      height={200}
      emptyOf={(yaml) =>
        yaml.trim() !== '' ? null : (
          <Empty title="There is no configuration file.">
            <p>Pharos runs on its defaults: it scrapes itself and measures this host.</p>
          </Empty>
        )
      }
      actions={data !== null && <CopyButton text={() => data} />}
    >
      {(yaml) => <YamlView text={yaml} label="Configuration in force" />}
    </Panel>
  );
}
