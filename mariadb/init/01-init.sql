-- Made by `make init-sql` from the engine's own definition of its tables; a test compares them.
CREATE DATABASE IF NOT EXISTS `tiktok_products` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
USE `tiktok_products`;

CREATE TABLE IF NOT EXISTS `db_sync_config` (
  `id` int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `table_name` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `sync_enabled` tinyint(1) NOT NULL DEFAULT 1,
  `sync_type` enum('FULL','INCREMENTAL') NOT NULL DEFAULT 'INCREMENTAL',
  `sync_direction` enum('BOTH','REMOTE_TO_LOCAL','LOCAL_TO_REMOTE') NOT NULL DEFAULT 'BOTH',
  `last_sync_time` datetime NULL,
  `last_sync_position` varchar(255) NULL,
  `priority` int NOT NULL DEFAULT 0,
  `conflict_resolution` enum('REMOTE_WINS','LOCAL_WINS','SKIP','MANUAL') NOT NULL DEFAULT 'REMOTE_WINS',
  `created_at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `updated_at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  `column_rules` longtext NULL,
  UNIQUE KEY `table_name` (`table_name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS `db_sync_log` (
  `id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `run_id` varchar(36) NULL,
  `table_name` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `sync_type` varchar(20) NULL,
  `sync_direction` varchar(20) NULL,
  `status` varchar(20) NOT NULL,
  `start_time` datetime(6) NOT NULL,
  `end_time` datetime(6) NULL,
  `duration` decimal(12,3) NULL,
  `triggered_by` varchar(20) NOT NULL DEFAULT 'MANUAL',
  `rows_scanned` bigint NOT NULL DEFAULT 0,
  `rows_inserted` bigint NOT NULL DEFAULT 0,
  `rows_updated` bigint NOT NULL DEFAULT 0,
  `rows_deleted` bigint NOT NULL DEFAULT 0,
  `rows_skipped` bigint NOT NULL DEFAULT 0,
  `conflicts` bigint NOT NULL DEFAULT 0,
  `error_code` varchar(20) NULL,
  `error_message` longtext NULL,
  `created_at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  KEY `table_name_status` (`table_name`, `status`),
  KEY `run_id` (`run_id`),
  KEY `start_time` (`start_time`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS `db_sync_conflict` (
  `id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `run_id` varchar(36) NOT NULL,
  `table_name` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `row_key` longtext NOT NULL,
  `kind` varchar(20) NOT NULL,
  `remote_row` longtext NULL,
  `local_row` longtext NULL,
  `strategy` varchar(20) NOT NULL,
  `state` varchar(10) NOT NULL,
  `winner` varchar(10) NULL,
  `resolved_by` varchar(150) NULL,
  `resolved_at` datetime(6) NULL,
  `created_at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `key_ordinal` binary(8) NOT NULL,
  `seen` varchar(40) NOT NULL,
  KEY `table_name_key_ordinal` (`table_name`, `key_ordinal`),
  KEY `state` (`state`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS `db_sync_undo` (
  `id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `run_id` varchar(36) NOT NULL,
  `table_name` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `side` varchar(6) NOT NULL,
  `action` varchar(6) NOT NULL,
  `row_key` longtext NOT NULL,
  `row_before` longtext NULL,
  `written` longblob NULL,
  `part` int NOT NULL DEFAULT 0,
  `base` longblob NULL,
  `found` longblob NULL,
  `created_at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  KEY `run_id_table_name` (`run_id`, `table_name`),
  KEY `created_at` (`created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS `db_sync_base` (
  `id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `table_name` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `low` binary(8) NOT NULL,
  `row_count` bigint NOT NULL,
  `digest_remote` binary(8) NOT NULL,
  `digest_local` binary(8) NOT NULL,
  `entries` longblob NOT NULL,
  UNIQUE KEY `table_name_low` (`table_name`, `low`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS `db_sync_state` (
  `id` int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `table_name` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `stamp` longtext NOT NULL,
  `seen` longtext NULL,
  `updated_at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  UNIQUE KEY `table_name` (`table_name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS `db_sync_lease` (
  `id` int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `table_name` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `owner` varchar(36) NULL,
  `line` bigint NULL,
  `token` bigint NOT NULL,
  `heartbeat_at` datetime(6) NULL,
  `expires_at` datetime(6) NULL,
  UNIQUE KEY `table_name` (`table_name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS `db_sync_outbox` (
  `id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `table_name` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `row_key` longtext NULL,
  `created_at` datetime(6) NOT NULL,
  KEY `table_name` (`table_name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The defaults with which the first run registers the tables that exist on both sides.
INSERT INTO `db_sync_config` (`table_name`, `sync_enabled`, `sync_type`, `sync_direction`, `priority`, `conflict_resolution`, `created_at`, `updated_at`)
  SELECT '*', 1, 'INCREMENTAL', 'BOTH', 0, 'REMOTE_WINS', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM DUAL
  WHERE NOT EXISTS (SELECT 1 FROM `db_sync_config`);
